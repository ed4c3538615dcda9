// AnswerWriter: one Answer, written reply by reply to a stream that takes one at a time. No thread
// waits for it: the engine's news are taken up by a Pump, and the next reply is made when the one
// before has been written. A caller who does not read is dropped.
//
// Thread-safe. What a stream is, the derived class says.
#ifndef COTERIE_ROUTER_FRONTEND_ANSWER_WRITER_H_
#define COTERIE_ROUTER_FRONTEND_ANSWER_WRITER_H_

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ops/process/clock.h"
#include "router/frontend/answer.h"
#include "router/frontend/pump.h"

namespace coterie {

// What a service's tick sees of a writer.
class WriteWatch {
 public:
  virtual ~WriteWatch() = default;
  // Drops the caller whose write has been under way since before `limit`.
  virtual void DropIfStuckSince(absl::Time limit) = 0;
};

// Reply: with a function FillReply(const AnswerDelta&, const AnswerUsage&, Reply*).
template <typename Reply>
class AnswerWriter : public WriteWatch, public std::enable_shared_from_this<AnswerWriter<Reply>> {
 public:
  explicit AnswerWriter(Pump* pump) : pump_(pump) {}

  // Once, first: the writer keeps itself alive until Release.
  void Hold() {
    std::lock_guard<std::mutex> lock(mu_);
    self_ = this->shared_from_this();
  }
  // The caller has gone before there was an answer.
  bool finished() {
    std::lock_guard<std::mutex> lock(mu_);
    return finished_;
  }
  // Once, after Hold, by any thread.
  void Start(absl::StatusOr<std::unique_ptr<Answer>> answer) {
    std::lock_guard<std::mutex> lock(mu_);
    if (finished_) return;  // and the answer is dropped, which cancels it
    if (!answer.ok()) return FinishWith(answer.status());
    answer_ = *std::move(answer);
    answer_->SetListener([this, weak = this->weak_from_this()] {
      pump_->Post([weak] {
        if (const auto self = weak.lock()) self->Advance();
      });
    });
  }
  // The reply of BeginWrite has been taken, or the stream is broken.
  void Written(bool ok) {
    std::lock_guard<std::mutex> lock(mu_);
    writing_ = false;
    if (!ok) return FinishWith(absl::CancelledError("the client has gone"));
    AdvanceLocked();
  }
  // The caller has gone, or is late.
  void Cancel(const absl::Status& why) {
    std::lock_guard<std::mutex> lock(mu_);
    FinishWith(why);
  }
  // The stream is done with this, which may be the end of it: on the pump's thread, not here.
  void Release() {
    std::shared_ptr<AnswerWriter> self;
    {
      std::lock_guard<std::mutex> lock(mu_);
      self = std::move(self_);
    }
    Pump* const pump = pump_;
    pump->Post([self = std::move(self)] {});
  }
  void DropIfStuckSince(absl::Time limit) override {
    std::lock_guard<std::mutex> lock(mu_);
    if (writing_ && write_began_ < limit) DropCaller();
  }

 protected:
  // All with the writer's lock held, and none may call back at once. `reply` stays until Written.
  virtual void BeginWrite(const Reply* reply) = 0;
  virtual void End(const absl::Status& status) = 0;  // once; afterwards only Release comes
  virtual void DropCaller() = 0;                     // makes Cancel or Written(false) come soon

 private:
  void Advance() {
    std::lock_guard<std::mutex> lock(mu_);
    AdvanceLocked();
  }
  // Requires mu_. The next reply, or the end.
  void AdvanceLocked() {
    if (writing_ || finished_) return;
    if (replies_.empty()) MakeReplies();
    if (finished_) return;
    if (!replies_.empty()) {
      current_ = std::move(replies_.front());
      replies_.pop_front();
      writing_ = true;
      write_began_ = MonotonicNow();
      BeginWrite(&current_);
    } else if (answer_->done()) {
      FinishWith(absl::OkStatus());
    }
  }
  void MakeReplies() {
    for (const AnswerDelta& delta : answer_->Poll()) {
      // A call has one status: a choice that fails takes the others along.
      if (!delta.status.ok()) return FinishWith(delta.status);
      FillReply(delta, answer_->usage(), &replies_.emplace_back());
    }
  }
  void FinishWith(const absl::Status& status) {
    if (std::exchange(finished_, true)) return;
    answer_.reset();
    End(status);
  }

  Pump* const pump_;
  std::mutex mu_;  // guards what follows
  std::shared_ptr<AnswerWriter> self_;
  std::unique_ptr<Answer> answer_;
  std::deque<Reply> replies_;
  Reply current_;
  bool writing_ = false, finished_ = false;
  absl::Time write_began_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ANSWER_WRITER_H_

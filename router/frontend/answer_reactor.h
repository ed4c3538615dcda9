// AnswerReactor: one Answer, written to one gRPC stream. No thread waits for it: the engine's news
// are taken up by a Pump, and the next reply is made when the one before has been written. A caller
// who does not read for `write_timeout` is dropped.
#ifndef COTERIE_ROUTER_FRONTEND_ANSWER_REACTOR_H_
#define COTERIE_ROUTER_FRONTEND_ANSWER_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "router/frontend/answer.h"
#include "router/frontend/grpc_status.h"
#include "router/frontend/pump.h"

namespace coterie {

// What the service's tick sees of a reactor.
class WriteWatch {
 public:
  virtual ~WriteWatch() = default;
  // Drops the caller whose write has been under way since before `limit`.
  virtual void DropIfStuckSince(absl::Time limit) = 0;
};

// Reply: v1::GenerateReply or v1::ChatReply, with a function
//   void FillReply(const AnswerDelta&, const AnswerUsage&, Reply*).
template <typename Reply>
class AnswerReactor final : public grpc::ServerWriteReactor<Reply>,
                            public WriteWatch,
                            public std::enable_shared_from_this<AnswerReactor<Reply>> {
 public:
  AnswerReactor(grpc::CallbackServerContext* context, Pump* pump)
      : context_(context), pump_(pump) {}

  // Once. The reactor keeps itself alive until gRPC is done with it.
  void Start(absl::StatusOr<std::unique_ptr<Answer>> answer) {
    std::lock_guard<std::mutex> lock(mu_);
    self_ = this->shared_from_this();
    if (!answer.ok()) return FinishWith(answer.status());
    answer_ = *std::move(answer);
    answer_->SetListener([this, weak = std::weak_ptr(self_)] {
      pump_->Post([weak] {
        if (const auto self = weak.lock()) self->Advance();
      });
    });
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard<std::mutex> lock(mu_);
    writing_ = false;
    if (!ok) return FinishWith(absl::CancelledError("the client has gone"));
    AdvanceLocked();
  }
  void OnCancel() override {
    std::lock_guard<std::mutex> lock(mu_);
    FinishWith(absl::FromChrono(context_->deadline()) <= absl::Now()
                   ? absl::DeadlineExceededError("the deadline passed")
                   : absl::CancelledError("cancelled by the client"));
  }
  void OnDone() override {
    std::shared_ptr<AnswerReactor> self;
    std::lock_guard<std::mutex> lock(mu_);
    self = std::move(self_);
    // The last reference may be this one: it goes after the lock, on the pump's thread.
    pump_->Post([self = std::move(self)] {});
  }
  void DropIfStuckSince(absl::Time limit) override {
    std::lock_guard<std::mutex> lock(mu_);
    if (writing_ && write_began_ < limit) context_->TryCancel();
  }

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
      write_began_ = absl::Now();
      this->StartWrite(&current_);
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
    if (finished_) return;
    finished_ = true;
    answer_.reset();
    AddRetryAfter(status, context_);
    this->Finish(ToGrpc(status));
  }

  grpc::CallbackServerContext* const context_;
  Pump* const pump_;
  std::mutex mu_;  // guards what follows
  std::shared_ptr<AnswerReactor> self_;
  std::unique_ptr<Answer> answer_;
  std::deque<Reply> replies_;
  Reply current_;
  bool writing_ = false, finished_ = false;
  absl::Time write_began_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ANSWER_REACTOR_H_

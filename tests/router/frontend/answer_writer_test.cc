// One answer on its way to a stream that takes one reply at a time: three threads, no gRPC, so that
// ThreadSanitizer sees all of it.
#include "router/frontend/answer_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace coterie {

// What the test's stream carries: a number, or the end.
struct Numbered {
  int64_t number = -1;
};
void FillReply(const AnswerDelta& delta, const AnswerUsage&, Numbered* reply) {
  reply->number = delta.tokens.empty() ? -1 : delta.tokens.front().id;
}

namespace {

// An answer of tokens 0, 1, 2 …, put by another thread.
class FakeAnswer final : public Answer {
 public:
  FakeAnswer(TokenStream* stream, std::atomic<int>* num_alive)
      : stream_(stream), num_alive_(num_alive) {
    ++*num_alive_;
  }
  ~FakeAnswer() override {
    stream_->SetListener(nullptr);
    stream_->Cancel();
    --*num_alive_;
  }
  void SetListener(std::function<void()> listener) override {
    stream_->SetListener(std::move(listener));
  }
  std::vector<AnswerDelta> Poll() override {
    std::vector<AnswerDelta> deltas;
    while (const auto token = stream_->TryNext()) {
      AnswerDelta& delta = deltas.emplace_back();
      delta.tokens.push_back({.id = token->id});
    }
    if (const auto end = stream_->ended(); end && !done_) {
      done_ = true;
      AnswerDelta& delta = deltas.emplace_back();
      delta.last = true;
      delta.status = end->status;
    }
    return deltas;
  }
  bool done() const override { return done_; }
  AnswerUsage usage() const override { return {}; }
  void Cancel() override { stream_->Cancel(); }

 private:
  TokenStream* const stream_;
  std::atomic<int>* const num_alive_;
  bool done_ = false;
};

// A stream whose other end is a thread.
class FakeStream final : public AnswerWriter<Numbered> {
 public:
  using AnswerWriter::AnswerWriter;

  // Takes replies until the end, or until `take` of them, and then is gone. The status of the end.
  absl::Status Read(int64_t take, std::vector<int64_t>* numbers) {
    for (;;) {
      std::unique_lock<std::mutex> lock(mu_);
      changed_.wait(lock, [&] { return reply_ != nullptr || ended_; });
      if (reply_ == nullptr) return status_;
      numbers->push_back(reply_->number);
      reply_ = nullptr;
      lock.unlock();
      const bool ok = static_cast<int64_t>(numbers->size()) < take;
      Written(ok);
    }
  }
  std::atomic<int> num_dropped{0};

 private:
  void BeginWrite(const Numbered* reply) override {
    std::lock_guard<std::mutex> lock(mu_);
    EXPECT_EQ(reply_, nullptr) << "one at a time";
    reply_ = reply;
    changed_.notify_one();
  }
  void End(const absl::Status& status) override {
    std::lock_guard<std::mutex> lock(mu_);
    EXPECT_FALSE(ended_);
    ended_ = true;
    status_ = status;
    changed_.notify_one();
  }
  void DropCaller() override { ++num_dropped; }

  std::mutex mu_;
  std::condition_variable changed_;
  const Numbered* reply_ = nullptr;
  bool ended_ = false;
  absl::Status status_;
};

class AnswerWriterTest : public testing::Test {
 protected:
  AnswerWriterTest() : pump_(absl::Hours(1), [] {}) {}
  ~AnswerWriterTest() override { EXPECT_EQ(num_alive_, 0); }

  std::unique_ptr<Answer> MakeAnswer() {
    return std::make_unique<FakeAnswer>(&stream_, &num_alive_);
  }
  void Put(int32_t count, const absl::Status& status = absl::OkStatus()) {
    for (int32_t i = 0; i < count && !stream_.cancelled(); ++i) stream_.Put({.id = i});
    stream_.End({.reason = EndReason::kLength, .status = status});
  }

  std::atomic<int> num_alive_{0};
  TokenStream stream_;
  Pump pump_;
};

TEST_F(AnswerWriterTest, EveryReplyComesOnceAndInOrder) {
  const auto writer = std::make_shared<FakeStream>(&pump_);
  writer->Hold();
  std::thread engine([&] { Put(500); });
  writer->Start(MakeAnswer());
  std::vector<int64_t> numbers;
  EXPECT_TRUE(writer->Read(1000, &numbers).ok());
  engine.join();
  writer->Release();
  ASSERT_EQ(numbers.size(), 501u);  // and the end
  for (int64_t i = 0; i < 500; ++i) EXPECT_EQ(numbers[static_cast<size_t>(i)], i);
}

TEST_F(AnswerWriterTest, ABrokenStreamCancelsTheAnswer) {
  const auto writer = std::make_shared<FakeStream>(&pump_);
  writer->Hold();
  std::thread engine([&] { Put(20000); });
  writer->Start(MakeAnswer());
  std::vector<int64_t> numbers;
  EXPECT_EQ(writer->Read(10, &numbers).code(), absl::StatusCode::kCancelled);
  engine.join();
  EXPECT_TRUE(stream_.cancelled());
  writer->Release();
}

TEST_F(AnswerWriterTest, AFailureIsTheStatusOfTheStream) {
  const auto writer = std::make_shared<FakeStream>(&pump_);
  writer->Hold();
  writer->Start(MakeAnswer());
  Put(3, absl::InternalError("a worker is gone"));
  std::vector<int64_t> numbers;
  EXPECT_EQ(writer->Read(100, &numbers).code(), absl::StatusCode::kInternal);
  writer->Release();
}

TEST_F(AnswerWriterTest, ARefusedRequestEndsAtOnce) {
  const auto writer = std::make_shared<FakeStream>(&pump_);
  writer->Hold();
  writer->Start(absl::ResourceExhaustedError("full"));
  std::vector<int64_t> numbers;
  EXPECT_EQ(writer->Read(1, &numbers).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(numbers.empty());
  writer->Release();
}

TEST_F(AnswerWriterTest, AnAnswerForWhoHasGoneAlreadyIsCancelled) {
  const auto writer = std::make_shared<FakeStream>(&pump_);
  writer->Hold();
  writer->Cancel(absl::CancelledError("gone"));
  EXPECT_TRUE(writer->finished());
  writer->Start(MakeAnswer());
  EXPECT_TRUE(stream_.cancelled());
  writer->Release();
}

TEST_F(AnswerWriterTest, ACallerWhoDoesNotReadIsDropped) {
  const auto writer = std::make_shared<FakeStream>(&pump_);
  writer->Hold();
  writer->Start(MakeAnswer());
  writer->DropIfStuckSince(absl::Now() + absl::Hours(1));
  EXPECT_EQ(writer->num_dropped, 0);  // nothing is being written
  stream_.Put({.id = 0});
  while (writer->num_dropped == 0) {
    writer->DropIfStuckSince(absl::Now() + absl::Hours(1));
    std::this_thread::yield();
  }
  writer->Cancel(absl::CancelledError("dropped"));
  EXPECT_TRUE(stream_.cancelled());
  writer->Release();
}

}  // namespace
}  // namespace coterie

// GrpcChannel against a worker that does what no worker should: every dispatch ends exactly once,
// nothing wrong is taken for an answer, and the link comes back.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/grpc_channel.h"
#include "expert_worker/channel/wire.h"
#include "expert_worker/shard.h"
#include "proto/expert.grpc.pb.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;
using Stream = grpc::ServerReaderWriter<v1::CombineReply, v1::DispatchRequest>;

constexpr int64_t kCols = 32;
constexpr int kWorker = 1;

// What a worker would answer: zeros.
v1::CombineReply AnswerTo(const v1::DispatchRequest& request) {
  v1::CombineReply reply;
  reply.set_dispatch_id(request.dispatch_id());
  reply.set_epoch(request.epoch());
  reply.set_row_format(v1::ROW_FORMAT_F32);
  reply.set_num_cols(kCols);
  reply.set_num_pairs(static_cast<uint32_t>(request.pair_row_size()));
  reply.set_rows(std::string(static_cast<size_t>(request.pair_row_size()) * kCols * 4, '\0'));
  reply.set_checksum(Checksum(reply));
  return reply;
}

class ScriptedWorker final : public v1::ExpertWorker::Service {
 public:
  using Script = std::function<void(const v1::DispatchRequest&, Stream*)>;

  // script: what is done with each dispatch; the stream goes on until the router ends it, or
  // end_after dispatches; with 0 none is ever read.
  explicit ScriptedWorker(Script script, int end_after = 1 << 30)
      : script_(std::move(script)), end_after_(end_after) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~ScriptedWorker() override {
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
    std::lock_guard<std::mutex> lock(mu_);
    script_ = nullptr;
  }
  const std::string& address() const { return address_; }

  grpc::Status Describe(grpc::ServerContext*, const v1::DescribeRequest*,
                        v1::WorkerDescription* description) override {
    description->set_model_digest("m");
    description->set_expert_format("f32");
    description->set_num_layers(1);
    description->set_num_experts(4);
    description->set_model_dim(kCols);
    description->set_shard("0-3");
    description->set_resident(Shard::Parse("0-3", 1, 4)->Bitmap());
    return grpc::Status::OK;
  }
  grpc::Status Exchange(grpc::ServerContext* context, Stream* stream) override {
    while (end_after_ == 0 && !context->IsCancelled())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    v1::DispatchRequest request;
    for (int i = 0; i < end_after_ && stream->Read(&request); ++i) {
      std::lock_guard<std::mutex> lock(mu_);
      script_(request, stream);
    }
    return grpc::Status::OK;
  }

 private:
  std::mutex mu_;  // what a script keeps is its own
  Script script_;
  const int end_after_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

class MisbehavingWorkerTest : public testing::Test {
 protected:
  void Start(ScriptedWorker::Script script, int end_after = 1 << 30) {
    worker_ = std::make_unique<ScriptedWorker>(std::move(script), end_after);
    channel_ =
        std::make_unique<GrpcChannel>(GrpcChannel::Options{.worker = {.address = worker_->address(),
                                                                      .model_digest = "m",
                                                                      .expert_format = "f32",
                                                                      .num_layers = 1,
                                                                      .num_experts = 4,
                                                                      .model_dim = kCols}},
                                      kWorker, &inbox_);
    ASSERT_TRUE(channel_->WaitConnected(absl::Now() + absl::Seconds(30)).ok());
  }

  uint64_t Dispatch() {
    DispatchBatch batch{.layer = 0,
                        .format = RowFormat::kF32,
                        .num_cols = kCols,
                        .rows = {reinterpret_cast<const std::byte*>(row_.data())},
                        .pair_row = {0, 0},
                        .pair_expert = {1, 2}};
    // Right after a loss the link is down for a moment.
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    for (;;) {
      const absl::StatusOr<uint64_t> id = channel_->Dispatch(batch, absl::Seconds(1));
      if (id.ok()) return *id;
      if (absl::Now() > deadline) ADD_FAILURE() << id.status();
      if (absl::Now() > deadline) return 0;
    }
  }
  std::optional<DispatchEnd> Next(int milliseconds = 30000) {
    return inbox_.Next(DispatchInbox::Clock::now() + std::chrono::milliseconds(milliseconds));
  }
  // The end of `id`, and nothing else after it.
  absl::Status OnlyEnd(uint64_t id) {
    const auto end = Next();
    if (!end.has_value()) return absl::NotFoundError("no end came");
    EXPECT_EQ(end->id, id);
    EXPECT_FALSE(Next(50).has_value()) << "it ended twice";
    return end->status;
  }

  const std::vector<float> row_ = std::vector<float>(kCols, 1.0f);
  DispatchInbox inbox_;
  std::unique_ptr<ScriptedWorker> worker_;
  std::unique_ptr<GrpcChannel> channel_;
};

TEST_F(MisbehavingWorkerTest, AnAnswerThatComesTwiceIsTakenOnce) {
  Start([](const v1::DispatchRequest& request, Stream* stream) {
    stream->Write(AnswerTo(request));
    stream->Write(AnswerTo(request));
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(OnlyEnd(Dispatch()).ok());
}

TEST_F(MisbehavingWorkerTest, AnswersOfOtherEpochsAndOfNoDispatchAreDropped) {
  Start([](const v1::DispatchRequest& request, Stream* stream) {
    v1::CombineReply stray = AnswerTo(request);
    stray.set_epoch(request.epoch() - 1);
    stream->Write(stray);
    stray = AnswerTo(request);
    stray.set_dispatch_id(request.dispatch_id() + 1000);
    stream->Write(stray);
    stream->Write(AnswerTo(request));
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(OnlyEnd(Dispatch()).ok());
}

TEST_F(MisbehavingWorkerTest, AnswersMayComeInAnyOrder) {
  Start([held = std::vector<v1::DispatchRequest>()](const v1::DispatchRequest& request,
                                                    Stream* stream) mutable {
    held.push_back(request);
    if (held.size() < 3) return;
    for (auto at = held.rbegin(); at != held.rend(); ++at) stream->Write(AnswerTo(*at));
  });
  const std::vector<uint64_t> ids = {Dispatch(), Dispatch(), Dispatch()};
  for (const uint64_t id : {ids[2], ids[1], ids[0]}) {
    const auto end = Next();
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->id, id);
    EXPECT_TRUE(end->status.ok()) << end->status;
  }
}

TEST_F(MisbehavingWorkerTest, WhatIsDamagedOrDoesNotFitIsNoAnswer) {
  // Read by the worker's thread: neither this nor `at` is on this one's stack.
  static const struct {
    void (*damage)(v1::CombineReply*);
    absl::StatusCode code;
  } cases[] = {
      {[](v1::CombineReply* r) { (*r->mutable_rows())[3] = 1; }, absl::StatusCode::kDataLoss},
      {[](v1::CombineReply* r) {
         const float nan = std::nanf("");
         r->mutable_rows()->replace(8, 4, reinterpret_cast<const char*>(&nan), 4);
         r->set_checksum(Checksum(*r));
       },
       absl::StatusCode::kDataLoss},
      {[](v1::CombineReply* r) { r->set_num_pairs(1); }, absl::StatusCode::kInternal},
      {[](v1::CombineReply* r) { r->set_num_cols(0); }, absl::StatusCode::kInternal},
      {[](v1::CombineReply* r) { r->mutable_rows()->clear(); }, absl::StatusCode::kInternal},
      {[](v1::CombineReply* r) { r->set_error_code(3); }, absl::StatusCode::kInternal},
      {[](v1::CombineReply* r) { r->set_error_code(8); }, absl::StatusCode::kResourceExhausted},
      {[](v1::CombineReply* r) { r->set_error_code(777); }, absl::StatusCode::kInternal},
      {[](v1::CombineReply* r) { r->set_error_code(-1); }, absl::StatusCode::kInternal},
  };
  const auto at = std::make_shared<std::atomic<size_t>>(0);
  Start([at](const v1::DispatchRequest& request, Stream* stream) {
    v1::CombineReply reply = AnswerTo(request);
    cases[*at].damage(&reply);
    stream->Write(reply);
  });
  for (; *at < std::size(cases); ++*at) {
    const absl::Status status = OnlyEnd(Dispatch());
    EXPECT_EQ(status.code(), cases[*at].code) << at->load() << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(worker_->address())) << at->load();
  }
}

TEST_F(MisbehavingWorkerTest, WhatIsNoMessageMakesTheLinkAnew) {
  // A string that is not UTF-8 does not parse. The worker then waits for the next dispatch.
  Start([](const v1::DispatchRequest& request, Stream* stream) {
    v1::CombineReply reply = AnswerTo(request);
    reply.set_error_message("\xff\xfe");
    stream->Write(reply);
  });
  for (int i = 0; i < 2; ++i) {
    const uint64_t epoch = channel_->state().epoch;
    EXPECT_EQ(OnlyEnd(Dispatch()).code(), absl::StatusCode::kUnavailable);
    Dispatch();
    EXPECT_GT(channel_->state().epoch, epoch);
    ASSERT_TRUE(Next().has_value());
  }
}

TEST_F(MisbehavingWorkerTest, AStreamThatEndsEndsWhatIsUnderWayAndIsMadeAnew) {
  Start([](const v1::DispatchRequest&, Stream*) {}, 2);
  for (int round = 0; round < 3; ++round) {
    const uint64_t epoch = channel_->state().epoch;
    const uint64_t first = Dispatch(), second = Dispatch();
    std::set<uint64_t> ended;
    for (int i = 0; i < 2; ++i) {
      const auto end = Next();
      ASSERT_TRUE(end.has_value());
      EXPECT_EQ(end->status.code(), absl::StatusCode::kUnavailable);
      ended.insert(end->id);
    }
    EXPECT_EQ(ended, (std::set<uint64_t>{first, second}));
    ASSERT_TRUE(channel_->WaitConnected(absl::Now() + absl::Seconds(30)).ok());
    EXPECT_GT(channel_->state().epoch, epoch);
  }
}

TEST_F(MisbehavingWorkerTest, AResetEndsWhatIsUnderWayWithItsReason) {
  Start([](const v1::DispatchRequest&, Stream*) {});
  const uint64_t id = Dispatch();
  const uint64_t epoch = channel_->state().epoch;
  channel_->Reset(absl::DeadlineExceededError("hangs"));
  const absl::Status status = OnlyEnd(id);
  EXPECT_EQ(status, absl::DeadlineExceededError("hangs"));
  Dispatch();
  EXPECT_GT(channel_->state().epoch, epoch);
}

// A worker that reads nothing: dispatches are handed over without waiting for it, then refused.
TEST_F(MisbehavingWorkerTest, AWorkerThatReadsNothingHoldsNobodyUp) {
  Start([](const v1::DispatchRequest&, Stream*) {}, 0);
  const std::vector<std::byte> rows(512 * kCols * 4);
  DispatchBatch batch{.layer = 0, .format = RowFormat::kF32, .num_cols = kCols};
  for (size_t r = 0; r < 512; ++r) batch.rows.push_back(rows.data() + r * kCols * 4);
  batch.pair_row = {0};
  batch.pair_expert = {1};
  const absl::Time start = absl::Now();
  int num_refused = 0;
  for (int i = 0; i < 200; ++i) {
    const absl::Status status = channel_->Dispatch(batch, absl::Seconds(1)).status();
    num_refused += absl::IsResourceExhausted(status) ? 1 : 0;
  }
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_GT(num_refused, 0);
}

}  // namespace
}  // namespace coterie

// What a worker refuses of what comes on a stream, one frame at a time: it says why, counts it, and
// goes on.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/handshake.h"
#include "expert_worker/channel/wire.h"
#include "proto/expert.grpc.pb.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

const std::string kModel = kCheckpoints + "tiny_q4_0.gguf";

// What a router of the same model says of itself.
std::string ModelOf(const WorkerServer& worker) {
  const auto stub = v1::ExpertWorker::NewStub(
      grpc::CreateChannel(worker.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  v1::WorkerDescription description;
  EXPECT_TRUE(stub->Describe(&context, {}, &description).ok());
  return ModelMetadata(description.model_digest(), description.expert_format());
}

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest()
      : worker_(kModel, "0-6", {}, {.max_waiting = kMaxWaiting}), model_(ModelOf(worker_)) {
    stub_ = v1::ExpertWorker::NewStub(
        grpc::CreateChannel(worker_.address(), grpc::InsecureChannelCredentials()));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    context_.AddMetadata(kModelMetadata, model_);
    stream_ = stub_->Exchange(&context_);
    const std::vector<float> values(64, 0.5f);
    rows_.Encode(RowFormat::kInt8, Tensor(const_cast<float*>(values.data()), {1, 64}));
    FillDispatch({.layer = 1,
                  .format = RowFormat::kInt8,
                  .num_cols = 64,
                  .rows = {rows_.row(0)},
                  .pair_row = {0, 0},
                  .pair_expert = {2, 5}},
                 &frame_);
    frame_.set_epoch(7);
  }

  v1::CombineReply Ask(uint64_t id) {
    frame_.set_dispatch_id(id);
    v1::CombineReply reply;
    EXPECT_TRUE(stream_->Write(frame_));
    EXPECT_TRUE(stream_->Read(&reply));
    EXPECT_EQ(reply.dispatch_id(), id);
    return reply;
  }

  static constexpr int kMaxWaiting = 2;
  WorkerServer worker_;
  const std::string model_;
  std::unique_ptr<v1::ExpertWorker::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::DispatchRequest, v1::CombineReply>> stream_;
  EncodedRows rows_;
  v1::DispatchRequest frame_;
};

TEST_F(ExchangeTest, AnAnswerNamesItsDispatchAndEpoch) {
  const v1::CombineReply reply = Ask(3);
  EXPECT_EQ(reply.error_code(), 0) << reply.error_message();
  EXPECT_EQ(reply.epoch(), 7u);
  EXPECT_EQ(reply.num_pairs(), 2u);
}

TEST_F(ExchangeTest, ADispatchThatComesAgainIsRefused) {
  ASSERT_EQ(Ask(3).error_code(), 0);
  for (const uint64_t id : {3, 2}) {
    const v1::CombineReply reply = Ask(id);
    EXPECT_EQ(reply.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(reply.error_message(), HasSubstr(absl::StrCat("id ", id, " after 3")));
  }
  EXPECT_EQ(Ask(4).error_code(), 0);
}

TEST_F(ExchangeTest, ADispatchOfAnotherEpochIsRefused) {
  ASSERT_EQ(Ask(3).error_code(), 0);
  frame_.set_epoch(6);
  const v1::CombineReply reply = Ask(4);
  EXPECT_EQ(reply.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(reply.error_message(), HasSubstr("epoch 6, this stream is of epoch 7"));
  frame_.set_epoch(7);
  EXPECT_EQ(Ask(5).error_code(), 0);
}

TEST_F(ExchangeTest, AnExpertThatIsNotHeldIsRefused) {
  frame_.set_pair_expert(1, 7);
  frame_.set_checksum(Checksum(frame_));
  const v1::CombineReply reply = Ask(1);
  EXPECT_EQ(reply.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(reply.error_message(), HasSubstr("expert 7 of layer 1 is not resident"));
}

// More routers than a worker lets wait, all at once, until one was refused: each dispatch is
// answered, with rows or with the word that there is too much to do.
TEST_F(ExchangeTest, TooManyAtOnceAreRefusedAndNobodyIsForgotten) {
  constexpr int kRouters = 24, kDispatches = 40;
  std::atomic<int> sent{0}, computed{0}, refused{0}, other{0};
  std::vector<std::thread> routers;
  for (int r = 0; r < kRouters; ++r) {
    routers.emplace_back([&] {
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
      context.AddMetadata(kModelMetadata, model_);
      const auto stream = stub_->Exchange(&context);
      v1::DispatchRequest frame = frame_;
      v1::CombineReply reply;
      for (uint64_t id = 1; id <= kDispatches || refused == 0; ++id) {
        frame.set_dispatch_id(id);
        ++sent;
        if (!stream->Write(frame) || !stream->Read(&reply)) break;
        ++(reply.error_code() == 0                                      ? computed
           : reply.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ? refused
                                                                        : other);
      }
      stream->WritesDone();
      stream->Finish();
    });
  }
  for (std::thread& router : routers) router.join();
  EXPECT_EQ(computed + refused, sent);
  EXPECT_EQ(other, 0);
  EXPECT_GT(computed, 0);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(worker_.ErrorsCounted("RESOURCE_EXHAUSTED"), refused);
}

TEST_F(ExchangeTest, ARouterOfAnotherModelIsRefused) {
  for (const std::string& model : {model_ + "x", std::string("0123 q4_0"), std::string()}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    if (!model.empty()) context.AddMetadata(kModelMetadata, model);
    const auto stream = stub_->Exchange(&context);
    v1::CombineReply reply;
    frame_.set_dispatch_id(1);
    stream->Write(frame_);
    EXPECT_FALSE(stream->Read(&reply));
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(), HasSubstr(model_));
  }
  EXPECT_EQ(worker_.ErrorsCounted("FAILED_PRECONDITION"), 3);
}

TEST_F(ExchangeTest, PairsThatWereSwappedFailTheChecksum) {
  frame_.set_pair_expert(0, 5);
  frame_.set_pair_expert(1, 2);
  EXPECT_EQ(Ask(1).error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(ExchangeTest, ATimeoutBeyondAllMeasureIsTakenForADay) {
  for (const uint64_t timeout_us : {uint64_t{1} << 62, ~uint64_t{0}}) {
    frame_.set_timeout_us(timeout_us);
    EXPECT_EQ(Ask(timeout_us == ~uint64_t{0} ? 2 : 1).error_code(), 0);
  }
}

}  // namespace
}  // namespace coterie

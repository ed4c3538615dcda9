// What a worker refuses of what comes on a stream, one frame at a time: it says why, counts it, and
// goes on.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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

  // How a stream ends that says `frame`.
  grpc::Status StatusOfRaw(grpc::GenericStub* stub, const grpc::ByteBuffer& frame) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    context.AddMetadata(kModelMetadata, model_);
    grpc::CompletionQueue events;
    const auto stream = stub->PrepareCall(&context, "/coterie.v1.ExpertWorker/Exchange", &events);
    const auto await = [&] {
      void* tag;
      bool ok = false;
      return events.Next(&tag, &ok) && ok;
    };
    stream->StartCall(nullptr);
    await();
    stream->Write(frame, nullptr);
    await();
    grpc::ByteBuffer reply;
    stream->Read(&reply, nullptr);
    EXPECT_FALSE(await()) << "it was answered";
    grpc::Status status;
    stream->Finish(&status, nullptr);
    await();
    return status;
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
  EXPECT_EQ(worker_.ErrorsCounted("INVALID_ARGUMENT"), 2);
  EXPECT_EQ(Ask(4).error_code(), 0);
}

TEST_F(ExchangeTest, ADispatchOfAnotherEpochIsRefused) {
  ASSERT_EQ(Ask(3).error_code(), 0);
  frame_.set_epoch(6);
  const v1::CombineReply reply = Ask(4);
  EXPECT_EQ(reply.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(reply.error_message(), HasSubstr("epoch 6, this stream is of epoch 7"));
  EXPECT_EQ(worker_.ErrorsCounted("INVALID_ARGUMENT"), 1);
  frame_.set_epoch(7);
  EXPECT_EQ(Ask(5).error_code(), 0);
}

TEST_F(ExchangeTest, AnExpertThatIsNotHeldIsRefused) {
  frame_.set_pair_expert(1, 7);
  frame_.set_checksum(Checksum(frame_));
  const v1::CombineReply reply = Ask(1);
  EXPECT_EQ(reply.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(reply.error_message(), HasSubstr("expert 7 of layer 1 is not resident"));
  EXPECT_EQ(worker_.ErrorsCounted("NOT_FOUND"), 1);
}

// Each with a checksum that fits: what is wrong is seen for itself.
TEST_F(ExchangeTest, WhatIsMalformedIsRefusedAndCounted) {
  const struct {
    const char* what;
    void (*damage)(v1::DispatchRequest*);
    grpc::StatusCode code;
    const char* counted;
  } cases[] = {
      {"take 72 bytes, found 0", [](v1::DispatchRequest* f) { f->clear_rows(); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"2 rows of 64 values", [](v1::DispatchRequest* f) { f->set_num_rows(2); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"at most 8192", [](v1::DispatchRequest* f) { f->set_num_rows(1u << 30); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"rows of 0 values", [](v1::DispatchRequest* f) { f->set_num_cols(0); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"rows of 128 values, the model has 64",
       [](v1::DispatchRequest* f) {
         f->set_num_cols(128);
         f->mutable_rows()->assign(128 + 16, '\0');
       },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"row format 7",
       [](v1::DispatchRequest* f) { f->set_row_format(static_cast<v1::RowFormat>(7)); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"rows are bf16",
       [](v1::DispatchRequest* f) {
         f->set_row_format(v1::ROW_FORMAT_BF16);
         f->mutable_rows()->assign(128, '\0');
       },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"layer 4294967295", [](v1::DispatchRequest* f) { f->set_layer(~0u); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"names row 1 of 1", [](v1::DispatchRequest* f) { f->set_pair_row(1, 1); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"names row -1", [](v1::DispatchRequest* f) { f->set_pair_row(1, ~0u); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"names expert 1000", [](v1::DispatchRequest* f) { f->set_pair_expert(0, 1000); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"3 pair rows but 2 pair experts", [](v1::DispatchRequest* f) { f->add_pair_row(0); },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"pairs for 1 rows",
       [](v1::DispatchRequest* f) {
         for (int i = 0; i < 1000; ++i) f->add_pair_row(0);
         for (int i = 0; i < 1000; ++i) f->add_pair_expert(1);
       },
       grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {"NaN or infinite",
       [](v1::DispatchRequest* f) {
         const float nan = std::numeric_limits<float>::quiet_NaN();
         f->mutable_rows()->replace(64, 4, reinterpret_cast<const char*>(&nan), 4);
       },
       grpc::StatusCode::DATA_LOSS, "DATA_LOSS"},
  };
  const v1::DispatchRequest good = frame_;
  uint64_t id = 0;
  for (const auto& c : cases) {
    frame_ = good;
    c.damage(&frame_);
    frame_.set_checksum(Checksum(frame_));
    const double counted = worker_.ErrorsCounted(c.counted);
    const v1::CombineReply reply = Ask(++id);
    EXPECT_EQ(reply.error_code(), c.code) << c.what;
    EXPECT_THAT(reply.error_message(), HasSubstr(c.what));
    EXPECT_EQ(reply.rows(), "") << c.what;
    EXPECT_EQ(worker_.ErrorsCounted(c.counted), counted + 1) << c.what;
    frame_ = good;
    EXPECT_EQ(Ask(++id).error_code(), 0) << "after " << c.what;
  }
}

// A frame above what gRPC takes (4 MiB for this server, 128 MiB for the process) or one that is no
// message ends its own stream, which is counted, and no other.
TEST_F(ExchangeTest, WhatIsNoFrameEndsItsStreamAndNoOther) {
  ASSERT_EQ(Ask(1).error_code(), 0);
  int num_ended = 0;
  for (const bool oversized : {true, false}) {
    const auto ask = std::make_unique<grpc::GenericStub>(
        grpc::CreateChannel(worker_.address(), grpc::InsecureChannelCredentials()));
    std::string bytes = "\xff\xff\xff";  // a field that never ends
    if (oversized) {
      v1::DispatchRequest frame = frame_;
      frame.mutable_rows()->resize(5 << 20);
      bytes = frame.SerializeAsString();
    }
    grpc::Slice slice(bytes);
    EXPECT_NE(StatusOfRaw(ask.get(), grpc::ByteBuffer(&slice, 1)).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
    // The client may know before the worker has let go.
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    ++num_ended;
    while (worker_.StreamsEnded() < num_ended && absl::Now() < deadline) std::this_thread::yield();
    EXPECT_EQ(worker_.StreamsEnded(), num_ended);
    EXPECT_EQ(Ask(static_cast<uint64_t>(num_ended) + 1).error_code(), 0);
  }
}

// More routers than a worker lets wait, all at once, with dispatches that take it longer than a
// turn of a core: each is answered, with rows or with the word that there is too much to do.
TEST_F(ExchangeTest, TooManyAtOnceAreRefusedAndNobodyIsForgotten) {
  constexpr int kRouters = 24, kDispatches = 6;
  DispatchBatch batch{.layer = 1, .format = RowFormat::kInt8, .num_cols = 64};
  for (int32_t row = 0; row < 4096; ++row) {
    batch.rows.push_back(rows_.row(0));
    for (const int32_t expert : {2, 5}) {
      batch.pair_row.push_back(row);
      batch.pair_expert.push_back(expert);
    }
  }
  FillDispatch(batch, &frame_);
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
  EXPECT_EQ(worker_.ErrorsCounted("DATA_LOSS"), 1);
}

TEST_F(ExchangeTest, ATimeoutBeyondAllMeasureIsTakenForADay) {
  for (const uint64_t timeout_us : {uint64_t{1} << 62, ~uint64_t{0}}) {
    frame_.set_timeout_us(timeout_us);
    EXPECT_EQ(Ask(timeout_us == ~uint64_t{0} ? 2 : 1).error_code(), 0);
  }
}

}  // namespace
}  // namespace coterie

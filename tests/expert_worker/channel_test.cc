// Both channels: the same bits over loopback and gRPC; malformed dispatches are answered by name
// and the stream goes on; a drain ends it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "expert_worker/channel/grpc_channel.h"
#include "expert_worker/channel/loopback_channel.h"
#include "expert_worker/channel/wire.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

const std::string kModel = kCheckpoints + "tiny_q4_0.gguf";

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class ChannelTest : public testing::Test {
 protected:
  ChannelTest()
      : checkpoint_(*Checkpoint::Open(kModel)),
        host_(checkpoint_.get(), {}, &pool_),
        worker_(std::make_unique<WorkerServer>(kModel, "0-6")) {
    EXPECT_TRUE(host_.Load(*Shard::Parse("0/1", 6, 8)).ok());
    remote_ = std::make_unique<GrpcChannel>(
        GrpcChannel::Options{.worker = {.address = worker_->address(),
                                        .model_digest = checkpoint_->digest(),
                                        .expert_format = "q4_0",
                                        .num_layers = 6,
                                        .num_experts = 8,
                                        .model_dim = 64}},
        kWorker, &inbox_);
    EXPECT_TRUE(remote_->WaitConnected(Soon()).ok());
    std::vector<float> values(3 * 64);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 25.0f;
    rows_.Encode(RowFormat::kInt8, Tensor(values.data(), {3, 64}));
    batch_ = {.layer = 2,
              .format = RowFormat::kInt8,
              .num_cols = 64,
              .rows = {rows_.row(0), rows_.row(1), rows_.row(2)},
              .pair_row = {0, 2, 1, 0},
              .pair_expert = {5, 1, 5, 0}};
  }

  static std::string Bytes(const CombineBatch& c) {
    return std::string(reinterpret_cast<const char*>(c.data),
                       static_cast<size_t>(c.num_pairs * EncodedRowBytes(c.format, c.num_cols)));
  }
  absl::StatusOr<std::string> Ask(ExpertChannel& channel, const DispatchBatch& batch) {
    const auto id = channel.Dispatch(batch, absl::Seconds(30));
    if (!id.ok()) return id.status();
    const auto end = inbox_.Next(DispatchInbox::Clock::now() + std::chrono::seconds(30));
    if (!end.has_value()) return absl::DeadlineExceededError("no end came");
    EXPECT_EQ(end->worker, kWorker);
    EXPECT_EQ(end->id, *id);
    if (!end->status.ok()) return end->status;
    return Bytes(end->combine);
  }

  static constexpr int kWorker = 3;
  Parallel pool_{1};
  std::unique_ptr<Checkpoint> checkpoint_;
  ExpertHost host_;
  std::unique_ptr<WorkerServer> worker_;
  DispatchInbox inbox_;
  std::unique_ptr<GrpcChannel> remote_;
  EncodedRows rows_;
  DispatchBatch batch_;
};

TEST_F(ChannelTest, TheSameBitsOverLoopbackAndGrpc) {
  LoopbackChannel local(&host_, kWorker, &inbox_);
  const auto expected = Ask(local, batch_);
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (int i = 0; i < 3; ++i) {
    const auto found = Ask(*remote_, batch_);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, *expected);
  }
}

TEST_F(ChannelTest, MalformedDispatchesAreAnsweredByNameAndTheStreamGoesOn) {
  const auto refuse = [&](void (*damage)(DispatchBatch*), const char* message) {
    DispatchBatch batch = batch_;
    damage(&batch);
    const auto reply = Ask(*remote_, batch);
    ASSERT_FALSE(reply.ok()) << message;
    EXPECT_THAT(std::string(reply.status().message()), HasSubstr(message));
  };
  refuse([](DispatchBatch* b) { b->layer = 6; }, "layer 6 of 6");
  refuse([](DispatchBatch* b) { b->pair_row[1] = 3; }, "row 3 of 3");
  refuse([](DispatchBatch* b) { b->pair_expert[0] = 8; }, "expert 8 of 8");
  refuse([](DispatchBatch* b) { b->num_cols = 32; }, "rows of 32 values");
  refuse(
      [](DispatchBatch* b) {
        b->format = RowFormat::kBF16;
        b->num_cols = 34;
      },
      "rows are bf16");
  refuse([](DispatchBatch* b) { b->pair_row.pop_back(); }, "pair rows");
  // A small frame must not ask for much work or memory.
  refuse(
      [](DispatchBatch* b) {
        b->pair_row.resize(100000, 0);
        b->pair_expert.resize(100000, b->pair_expert[0]);
      },
      "100000 pairs for 3 rows");
  refuse([](DispatchBatch* b) { b->rows.resize(8193, b->rows[0]); }, "8193 rows, at most 8192");
  EXPECT_TRUE(Ask(*remote_, batch_).ok());
}

// A worker whose shard was changed behind the router's back.
TEST_F(ChannelTest, AnExpertThatIsNotThereMakesTheLinkAnew) {
  DispatchBatch batch = batch_;
  batch.pair_expert[0] = 7;
  const auto reply = Ask(*remote_, batch);
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kNotFound) << reply.status();
  EXPECT_THAT(std::string(reply.status().message()),
              HasSubstr("expert 7 of layer 2 is not resident"));
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!Ask(*remote_, batch_).ok()) ASSERT_LT(absl::Now(), deadline);
}

TEST_F(ChannelTest, ARowThatIsNotFiniteIsRefused) {
  std::vector<std::byte> row(rows_.row(0), rows_.row(0) + rows_.row_bytes());
  const float nan = std::nanf("");
  std::memcpy(&row[64], &nan, 4);
  batch_.rows[0] = row.data();
  EXPECT_EQ(Ask(*remote_, batch_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ChannelTest, ADamagedFrameFailsItsChecksum) {
  v1::DispatchRequest frame;
  FillDispatch(batch_, &frame);
  (*frame.mutable_rows())[5] ^= 1;
  DispatchBatch read;
  EXPECT_EQ(ReadDispatch(frame, &read).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ChannelTest, ADrainEndsTheLinkWithTheWorkersName) {
  const std::string address = worker_->address();
  worker_.reset();
  const auto reply = Ask(*remote_, batch_);
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable) << reply.status();
  EXPECT_THAT(std::string(reply.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace coterie

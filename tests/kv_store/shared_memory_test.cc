// A router and a node of one machine: payloads go through memory that they share, and what an end
// may do to the other by it is to waste its time.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kv_store/client/grpc_block_store.h"
#include "kv_store/client/local_socket.h"
#include "kv_store/client/shared_window.h"
#include "ops/process/clock.h"
#include "proto/kv.grpc.pb.h"
#include "tests/kv_store/objects.h"
#include "tests/kv_store/test_node.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

constexpr size_t kPiece = SharedWindow::kPieceMax;

absl::Time Soon() { return MonotonicNow() + absl::Seconds(60); }
bool Never() { return false; }

class SharedMemoryTest : public testing::Test {
 protected:
  void Connect() {
    store_ = *GrpcBlockStore::Create({.members = {node_.address()}});
    AwaitWindow();
  }
  void AwaitWindow() {
    const absl::Time give_up = Soon();
    while (store_->counts().members_sharing_memory == 0 && MonotonicNow() < give_up) {
      Find(1);
      absl::SleepFor(absl::Milliseconds(5));  // the pace of asking
    }
    ASSERT_EQ(store_->counts().members_sharing_memory, 1u);
  }
  void Find(int n) {
    std::promise<void> found;
    store_->Find({TestKey(n)}, Soon(),
                 [&](const absl::StatusOr<std::vector<bool>>&) { found.set_value(); });
    found.get_future().wait();
  }
  void Put(int n, size_t size) {
    ASSERT_TRUE(store_->Put({{TestKey(n), TestPayload(n, size)}}, {.tenant = "t"}));
    ASSERT_TRUE(store_->Flush(Soon()));
    ASSERT_EQ(store_->counts().put_dropped, 0u) << size;
  }
  bool Get(int n, size_t size) {
    bool came = false;
    std::promise<void> ended;
    store_->Get(
        {TestKey(n)}, Soon(),
        [&](size_t, const StoredObject& object) {
          came = object.bytes != nullptr;
          EXPECT_TRUE(!came || *object.bytes == *TestPayload(n, size)) << size;
        },
        [&](const absl::Status&) { ended.set_value(); });
    ended.get_future().wait();
    return came;
  }
  uint64_t SharedBytes() { return node_.objects().counts().shared_bytes; }

  std::unique_ptr<grpc::ClientContext> Context(const std::string& window) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(ToSystemClock(Soon()));
    context->AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
    context->AddMetadata(kWindowMetadata, window);
    return context;
  }
  // A client's end by hand: a window that the node has, and its name there.
  struct ByHand {
    std::unique_ptr<SharedWindow> window = *SharedWindow::Create();
    OwnedFd socket;
    uint64_t id = 0;
  };
  ByHand HandOver() {
    ByHand by_hand;
    grpc::ClientContext context;
    v1::StoreDescription description;
    EXPECT_TRUE(
        v1::KvStore::NewStub(node_.NewChannel())->Describe(&context, {}, &description).ok());
    by_hand.socket = *ConnectLocally(description.shared_memory());
    EXPECT_TRUE(SendFd(by_hand.socket.get(), by_hand.window->fd()));
    by_hand.id = ReceiveNumber(by_hand.socket.get(), absl::Seconds(60)).value_or(0);
    return by_hand;
  }

  TestNode node_{TestNode::SmallOptions(), true, 64, true};
  std::unique_ptr<GrpcBlockStore> store_;
};

TEST_F(SharedMemoryTest, ObjectsOfAllSizesGoThroughIt) {
  Connect();
  uint64_t sum = 0;
  int n = 0;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4096}, kPiece - 1, kPiece, kPiece + 1,
                            3 * kPiece + 17, SharedWindow::kRingBytes + 5, kObjectBytesMax}) {
    Put(++n, size);
    EXPECT_TRUE(Get(n, size)) << size;
    sum += 2 * size;
    EXPECT_EQ(SharedBytes(), sum) << size;
    EXPECT_TRUE(node_.node().Remove(TestKey(n)));
  }
  EXPECT_EQ(store_->counts().damaged, 0u);
}

TEST_F(SharedMemoryTest, MoreReadersThanRegionsReadByTheWire) {
  Connect();
  const size_t size = 2 * kPiece + 9;
  std::vector<ObjectKey> keys;
  keys.reserve(8);
  for (int n = 0; n < 8; ++n) Put(n, size);
  for (int n = 0; n < 8; ++n) keys.push_back(TestKey(n));
  std::atomic<int> num_came = 0, num_wrong = 0;
  std::vector<std::promise<void>> ended(12);
  for (auto& end : ended) {
    store_->Get(
        keys, Soon(),
        [&](size_t index, const StoredObject& object) {
          if (object.bytes == nullptr) return;
          ++num_came;
          num_wrong += *object.bytes != *TestPayload(static_cast<int>(index), size);
        },
        [&](const absl::Status&) { end.set_value(); });
  }
  for (auto& end : ended) end.get_future().wait();
  EXPECT_EQ(num_came, 12 * 8);
  EXPECT_EQ(num_wrong, 0);
}

TEST_F(SharedMemoryTest, ANodeThatDiesTakesItsWindowsAlong) {
  Connect();
  Put(1, 3 * kPiece);
  ASSERT_TRUE(node_.node().Flush(Soon()));
  node_.Stop();
  EXPECT_FALSE(Get(1, 3 * kPiece));
  EXPECT_EQ(store_->counts().members_sharing_memory, 0u);
  node_.Start();
  const absl::Time give_up = Soon();
  while (!Get(1, 3 * kPiece) && MonotonicNow() < give_up) absl::SleepFor(absl::Milliseconds(10));
  AwaitWindow();
  const uint64_t before = SharedBytes();
  EXPECT_TRUE(Get(1, 3 * kPiece));
  EXPECT_EQ(SharedBytes() - before, 3 * kPiece);
}

TEST_F(SharedMemoryTest, ANodeThatRefusesHoldsNoWriterUp) {
  store_ = *GrpcBlockStore::Create({.members = {node_.address()}, .put_timeout = absl::Hours(1)});
  AwaitWindow();
  node_.objects().Seal();
  // More than there is room for: who writes would wait for one that takes.
  for (int n = 0; n < 4; ++n) {
    store_->Put({{TestKey(n), TestPayload(n, 3 * SharedWindow::kRingBytes)}}, {});
    ASSERT_TRUE(store_->Flush(Soon()));
  }
  EXPECT_EQ(store_->counts().put_dropped, 4u);
}

TEST_F(SharedMemoryTest, ARouterThatGoesTakesItsWindowAlong) {
  Connect();
  const auto num_windows = [&] { return node_.objects().windows()->size(); };
  EXPECT_EQ(num_windows(), 1u);
  store_ = nullptr;
  const absl::Time give_up = Soon();
  while (num_windows() > 0 && MonotonicNow() < give_up) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(num_windows(), 0u);
}

TEST_F(SharedMemoryTest, AReaderThatTakesNothingHoldsUpItselfAlone) {
  Connect();
  for (int n = 0; n < 8; ++n) Put(n, 2 * kPiece);
  const ByHand by_hand = HandOver();
  by_hand.window->ring(0).Reset();
  const auto context = Context(absl::StrCat(by_hand.id, ".0"));
  v1::GetRequest request;
  for (int n = 0; n < 8; ++n) AppendKey(TestKey(n), request.mutable_keys());
  const auto reader = v1::KvObjects::NewStub(node_.NewChannel())->Get(context.get(), request);
  v1::ObjectFrame frame;
  // As many as the ring has room for; the next would be written over them.
  for (size_t i = 0; i < SharedWindow::kRingBytes / kPiece; ++i) ASSERT_TRUE(reader->Read(&frame));
  EXPECT_TRUE(Get(7, 2 * kPiece));
  context->TryCancel();
  EXPECT_FALSE(reader->Read(&frame));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  const absl::Time give_up = Soon();
  while (node_.gate().num_calls() > 0 && MonotonicNow() < give_up)
    absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(node_.gate().num_calls(), 0);
}

// However a call ends, the node says that it is done with the region: it can be used again.
TEST_F(SharedMemoryTest, ARefusedCallGivesItsRegionBack) {
  const ByHand by_hand = HandOver();
  const SharedRing ring = by_hand.window->ring(3);
  const auto put = [&] {
    SharedRing(ring).Reset();
    EXPECT_FALSE(ring.IsOver());
    const auto context = Context(absl::StrCat(by_hand.id, ".3"));
    v1::PutReply reply;
    const auto writer = v1::KvObjects::NewStub(node_.NewChannel())->Put(context.get(), &reply);
    writer->WritesDone();
    return writer->Finish().error_code();
  };
  EXPECT_EQ(put(), grpc::StatusCode::OK);
  EXPECT_TRUE(ring.IsOver());
  node_.objects().Seal();
  EXPECT_EQ(put(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(ring.IsOver());
}

TEST_F(SharedMemoryTest, WindowsThatAreNoneAreRefused) {
  const ByHand by_hand = HandOver();
  for (const std::string& name :
       {std::string("1.0"), std::string(""), absl::StrCat(by_hand.id), std::string("x.y"),
        absl::StrCat(by_hand.id, ".4"), absl::StrCat(by_hand.id, ".-1"),
        absl::StrCat(by_hand.id, ".0.0")}) {
    const auto context = Context(name);
    v1::PutReply reply;
    const auto writer = v1::KvObjects::NewStub(node_.NewChannel())->Put(context.get(), &reply);
    writer->WritesDone();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION) << name;
  }
}

TEST_F(SharedMemoryTest, FramesThatLieAboutSharedMemoryAreRefused) {
  const ByHand by_hand = HandOver();
  struct Lie {
    const char* what;
    std::vector<std::array<uint64_t, 3>> pieces;  // position, bytes, total
    bool other_key = false;
  };
  const Lie lies[] = {
      {"beyond the ring", {{SharedWindow::kRingBytes - 5, 10, 10}}},
      {"a position that overflows", {{UINT64_MAX, 1, 1}}},
      {"too long a piece", {{0, kPiece + 1, kPiece + 1}}},
      {"too long a payload", {{0, 10, kObjectBytesMax + 1}}},
      {"more than the whole", {{0, 10, 5}}},
      {"more than the whole, later", {{0, 10, 15}, {10, 10, 15}}},
      {"another object's piece", {{0, 10, 20}, {10, 10, 20}}, true},
  };
  for (const Lie& lie : lies) {
    const auto context = Context(absl::StrCat(by_hand.id, ".2"));
    v1::PutReply reply;
    const auto writer = v1::KvObjects::NewStub(node_.NewChannel())->Put(context.get(), &reply);
    for (size_t i = 0; i < lie.pieces.size(); ++i) {
      v1::ObjectFrame frame;
      AppendKey(TestKey(lie.other_key ? static_cast<int>(i) : 1), frame.mutable_key());
      frame.mutable_shared()->set_position(lie.pieces[i][0]);
      frame.mutable_shared()->set_bytes(lie.pieces[i][1]);
      frame.mutable_shared()->set_total_bytes(lie.pieces[i][2]);
      if (!writer->Write(frame)) break;
    }
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << lie.what;
    EXPECT_THAT(status.error_message(), HasSubstr("object 0: ")) << lie.what;
  }
  EXPECT_EQ(node_.node().memory().used_bytes(), 0u) << "what was reserved is free again";
}

TEST_F(SharedMemoryTest, BytesThatChangeAreNotStored) {
  const ByHand by_hand = HandOver();
  SharedRing ring = by_hand.window->ring(0);
  ring.Reset();
  const auto payload = TestPayload(1, 1000);
  const auto context = Context(absl::StrCat(by_hand.id, ".0"));
  v1::PutReply reply;
  const auto writer = v1::KvObjects::NewStub(node_.NewChannel())->Put(context.get(), &reply);
  v1::ObjectFrame frame;
  AppendKey(TestKey(1), frame.mutable_key());
  frame.set_checksum(ObjectChecksum(TestKey(1), *payload));
  std::string changed = *payload;
  changed[500] ^= 1;
  frame.mutable_shared()->set_position(*ring.Write(changed, Never));
  frame.mutable_shared()->set_bytes(1000);
  frame.mutable_shared()->set_total_bytes(1000);
  ASSERT_TRUE(writer->Write(frame));
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(reply.refused(), 1u);
  EXPECT_EQ(node_.node().counts().refused_damaged, 1u);
}

}  // namespace
}  // namespace coterie

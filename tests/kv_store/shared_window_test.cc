// Memory between a router and a node of one machine: what goes through it arrives, in pieces and
// around the ring's end; what an end may do to the other is to waste its time.
#include "kv_store/client/shared_window.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kv_store/client/grpc_block_store.h"
#include "kv_store/client/local_socket.h"
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
bool AtOnce() { return true; }

std::string Text(std::optional<std::span<const char>> bytes) {
  return bytes ? std::string(bytes->data(), bytes->size()) : "nothing";
}

// Both ends, as two processes have them: the memory is mapped twice.
struct Ends {
  Ends() : window(*SharedWindow::Create()), other(*SharedWindow::Map(dup(window->fd()))) {
    writer.Reset();
  }
  const std::unique_ptr<SharedWindow> window, other;
  SharedRing writer = window->ring(1), reader = other->ring(1);
};

TEST(SharedRingTest, PiecesOfAllSizesArriveAroundTheEnd) {
  Ends ends;
  uint64_t written = 0;
  for (int n = 0; written < 5 * SharedWindow::kRingBytes; ++n) {
    const auto payload = TestPayload(n, static_cast<size_t>(n) * 7919 % (kPiece + 1));
    const auto position = ends.writer.Write(*payload, Never);
    ASSERT_TRUE(position.has_value());
    ASSERT_EQ(Text(ends.reader.At(*position, payload->size())), *payload) << n;
    ends.reader.Taken(*position, payload->size());
    written += payload->size();
  }
}

TEST(SharedRingTest, AFullRingWaitsForItsReader) {
  Ends ends;
  std::vector<uint64_t> positions;
  for (size_t i = 0; i < SharedWindow::kRingBytes / kPiece; ++i)
    positions.push_back(*ends.writer.Write(*TestPayload(static_cast<int>(i), kPiece), Never));
  EXPECT_FALSE(ends.writer.Write(*TestPayload(9, 1), AtOnce).has_value());
  std::thread reader([&] {
    for (size_t i = 0; i < positions.size(); ++i) {
      EXPECT_EQ(Text(ends.reader.At(positions[i], kPiece)),
                *TestPayload(static_cast<int>(i), kPiece));
      ends.reader.Taken(positions[i], kPiece);
    }
  });
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ends.writer.Write(*TestPayload(9, kPiece), Never));
  reader.join();
}

TEST(SharedRingTest, WhatCannotBeIsRefused) {
  Ends ends;
  EXPECT_FALSE(ends.writer.Write(std::string(kPiece + 1, 'x'), Never).has_value());
  EXPECT_FALSE(ends.reader.At(0, kPiece + 1));
  EXPECT_FALSE(ends.reader.At(SharedWindow::kRingBytes - 1, 2));
  EXPECT_FALSE(ends.reader.At(UINT64_MAX, 1));
  EXPECT_FALSE(ends.reader.At(UINT64_MAX, UINT64_MAX));
  ends.reader.Taken(uint64_t{1} << 40, 5);  // of what was never written
  EXPECT_FALSE(ends.writer.Write("x", Never).has_value());
}

TEST(SharedWindowTest, MemoryThatCanBeMadeShorterIsRefused) {
  const auto good = *SharedWindow::Create();
  EXPECT_NE(ftruncate(good->fd(), 4096), 0) << "sealed";
  EXPECT_TRUE(SharedWindow::Map(dup(good->fd())).ok());
  struct stat stat = {};
  ASSERT_EQ(fstat(good->fd(), &stat), 0);
  const int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(unsealed, stat.st_size), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(SharedWindow::Map(unsealed).status()));
  const int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(ftruncate(small, 4096), 0);
  ASSERT_EQ(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(SharedWindow::Map(small).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SharedWindow::Map(open("/dev/null", O_RDWR)).status()));
}

TEST(LocalSocketTest, OneDescriptorIsTakenAndOthersAreNotLeaked) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const OwnedFd near(ends[0]), far(ends[1]);
  ASSERT_TRUE(SendFd(near.get(), near.get()));
  EXPECT_GE(ReceiveFd(far.get()).get(), 0);
  const int next = dup(near.get());
  close(next);
  // Two in one message.
  char byte = 'w';
  iovec data = {&byte, 1};
  const int two[] = {near.get(), far.get()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(two))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(two));
  std::memcpy(CMSG_DATA(header), two, sizeof(two));
  ASSERT_EQ(sendmsg(near.get(), &message, 0), 1);
  EXPECT_EQ(ReceiveFd(far.get()).get(), -1);
  const int after = dup(near.get());
  EXPECT_EQ(after, next) << "the lowest that is free";
  close(after);
}

TEST(LocalSocketTest, AListenerThatAcceptsNobodyIsAnErrorAtOnce) {
  const std::string name = absl::StrCat("coterie-test-", std::random_device()());
  const OwnedFd listener = *ListenLocally(name);
  std::vector<OwnedFd> connected;
  for (int i = 0; i < 1000; ++i) {
    auto socket = ConnectLocally(name);
    if (!socket.ok()) return;
    connected.push_back(*std::move(socket));
  }
  FAIL() << "1,000 connections wait";
}

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

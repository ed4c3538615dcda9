// Memory between two processes: what is written at one end is read at the other, in pieces and
// around the ring's end, and what cannot be is refused; and the sockets over which it is handed
// over.
#include "kv_store/client/shared_window.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kv_store/client/local_socket.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

constexpr size_t kPiece = SharedWindow::kPieceMax;

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

}  // namespace
}  // namespace coterie

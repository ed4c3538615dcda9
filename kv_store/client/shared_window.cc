#include "kv_store/client/shared_window.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {
namespace {

constexpr size_t kHeaderBytes = 4096;
constexpr size_t kRegionBytes = kHeaderBytes + SharedWindow::kRingBytes;
constexpr size_t kWindowBytes = SharedWindow::kRegions * kRegionBytes;
// How often a writer that waits looks whether anybody still wants it.
constexpr timespec kLook = {0, 20'000'000};

}  // namespace

// In the shared memory.
struct SharedRing::Header {
  std::atomic<uint64_t> taken;    // by the reader: before this position all may be written over
  std::atomic<uint32_t> over;     // by the node
  std::atomic<uint32_t> changes;  // of the others: what a writer waits for
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

void SharedRing::Reset() {
  header_->over.store(0, std::memory_order_release);
  header_->taken.store(0, std::memory_order_release);
}

void SharedRing::SetOver() {
  header_->over.store(1, std::memory_order_release);
  TellWriter();
}

bool SharedRing::IsOver() const { return header_->over.load(std::memory_order_acquire) == 1; }

void SharedRing::TellWriter() {
  header_->changes.fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, &header_->changes, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

std::optional<uint64_t> SharedRing::Write(std::span<const char> bytes,
                                          const std::function<bool()>& give_up) {
  constexpr uint64_t kRing = SharedWindow::kRingBytes;
  if (bytes.size() > SharedWindow::kPieceMax) return std::nullopt;
  // In one piece: what does not fit before the end begins anew.
  uint64_t position = written_;
  if (position % kRing + bytes.size() > kRing) position += kRing - position % kRing;
  const uint64_t end = position + bytes.size();
  for (;;) {
    const uint32_t changes = header_->changes.load(std::memory_order_acquire);
    const uint64_t taken = header_->taken.load(std::memory_order_acquire);
    if (taken > written_) return std::nullopt;
    if (end - taken <= kRing) break;
    if (IsOver() || give_up()) return std::nullopt;
    syscall(SYS_futex, &header_->changes, FUTEX_WAIT, changes, &kLook, nullptr, 0);
  }
  std::memcpy(bytes_ + position % kRing, bytes.data(), bytes.size());
  written_ = end;
  return position;
}

std::optional<std::span<const char>> SharedRing::At(uint64_t position, uint64_t bytes) const {
  constexpr uint64_t kRing = SharedWindow::kRingBytes;
  if (bytes > SharedWindow::kPieceMax || position % kRing + bytes > kRing ||
      position > UINT64_MAX - kRing) {
    return std::nullopt;
  }
  return std::span<const char>(bytes_ + position % kRing, static_cast<size_t>(bytes));
}

void SharedRing::Taken(uint64_t position, uint64_t bytes) {
  header_->taken.store(position + bytes, std::memory_order_release);
  TellWriter();
}

absl::StatusOr<std::unique_ptr<SharedWindow>> SharedWindow::Create() {
  const int fd = memfd_create("coterie-kv-window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return absl::ResourceExhaustedError("no memory to share");
  // All of it now: memory that cannot be had later would end the process at an access.
  if (posix_fallocate(fd, 0, static_cast<off_t>(kWindowBytes)) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    close(fd);
    return absl::ResourceExhaustedError("no memory to share");
  }
  return MapOwned(fd);
}

absl::StatusOr<std::unique_ptr<SharedWindow>> SharedWindow::Map(int fd) {
  struct stat stat = {};
  const int seals = fcntl(fd, F_GET_SEALS);
  // Memory that its owner can make shorter would end this process at the next access.
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &stat) != 0 ||
      stat.st_size != static_cast<off_t>(kWindowBytes)) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat("not a window of ", kWindowBytes, " bytes that keeps its size"));
  }
  return MapOwned(fd);
}

absl::StatusOr<std::unique_ptr<SharedWindow>> SharedWindow::MapOwned(int fd) {
  void* at = mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED) {
    close(fd);
    return absl::ResourceExhaustedError("the window cannot be mapped");
  }
  std::shared_ptr<void> memory(at, [](void* mapped) { munmap(mapped, kWindowBytes); });
  return std::unique_ptr<SharedWindow>(new SharedWindow(fd, std::move(memory)));
}

SharedWindow::~SharedWindow() { close(fd_); }

SharedRing SharedWindow::ring(size_t region) const {
  CHECK(region < kRegions);
  char* at = static_cast<char*>(memory_.get()) + region * kRegionBytes;
  return {memory_, reinterpret_cast<SharedRing::Header*>(at), at + kHeaderBytes};
}

}  // namespace coterie

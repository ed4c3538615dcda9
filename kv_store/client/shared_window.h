// SharedWindow: memory that a client shares with a kv_store of the same machine, so that payloads
// do not pass through the kernel. The client makes it and hands it over (shared_link.h); it shows
// nothing but what the two send each other.
//
// It is divided into regions. A call that uses the window has a region to itself, as a ring: one
// end writes pieces of payloads, the other takes them in that order and says how far it has come.
// Neither end trusts the other: what is read is copied first and compared with its checksum then,
// positions are checked, and the memory cannot be made shorter.
#ifndef COTERIE_KV_STORE_CLIENT_SHARED_WINDOW_H_
#define COTERIE_KV_STORE_CLIENT_SHARED_WINDOW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"

namespace coterie {

// One end's view of a region, for one call. Positions count bytes from the call's start, and go on
// where the ring begins again. Not thread-safe.
class SharedRing {
 public:
  // Both ends begin at position 0. Reset is called by the client, before the call; the node says
  // when it has ended its part of it, and does not look at the region any more.
  void Reset();
  void SetOver();
  bool IsOver() const;

  // The writer's end: where the bytes are now. Waits while there is no room. Nothing: they are more
  // than kPieceMax, the call is over, `give_up` said so, or the reader says what cannot be.
  std::optional<uint64_t> Write(std::span<const char> bytes, const std::function<bool()>& give_up);

  // The reader's end. What lies at `position`, in the order written; nothing when that cannot be.
  // The writer's memory: it may change until it is copied.
  std::optional<std::span<const char>> At(uint64_t position, uint64_t bytes) const;
  // That, and all before it, may be written over.
  void Taken(uint64_t position, uint64_t bytes);

 private:
  void TellWriter();
  friend class SharedWindow;
  struct Header;
  SharedRing(std::shared_ptr<void> memory, Header* header, char* bytes)
      : memory_(std::move(memory)), header_(header), bytes_(bytes) {}

  std::shared_ptr<void> memory_;  // of the window
  Header* header_;
  char* bytes_;
  uint64_t written_ = 0;
};

// Thread-safe.
class SharedWindow {
 public:
  static constexpr size_t kRegions = 4;
  // So small that what one end writes is in the processor's cache when the other reads it.
  static constexpr size_t kRingBytes = size_t{4} << 20;
  static constexpr size_t kPieceMax = kRingBytes / 4;

  // The client's. ResourceExhausted.
  static absl::StatusOr<std::unique_ptr<SharedWindow>> Create();
  // The node's, of what it was handed: takes the descriptor. InvalidArgument: not such memory.
  static absl::StatusOr<std::unique_ptr<SharedWindow>> Map(int fd);
  ~SharedWindow();

  int fd() const { return fd_; }
  SharedRing ring(size_t region) const;

 private:
  SharedWindow(int fd, std::shared_ptr<void> memory) : fd_(fd), memory_(std::move(memory)) {}
  static absl::StatusOr<std::unique_ptr<SharedWindow>> MapOwned(int fd);

  const int fd_;
  const std::shared_ptr<void> memory_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_SHARED_WINDOW_H_

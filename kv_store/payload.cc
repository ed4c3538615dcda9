#include "kv_store/payload.h"

#include <sys/mman.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the widest instructions that there are
#endif

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kv_store/object.h"

namespace coterie {
namespace {

// Memory is faulted in by pages of 4 KiB otherwise, which takes as long as copying.
constexpr uintptr_t kHugePage = uintptr_t{2} << 20;

void AskForHugePages(char* bytes, size_t size) {
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(bytes) + kHugePage - 1) & ~(kHugePage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(bytes) + size) & ~(kHugePage - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace

Payload MeasurePayload(const ObjectKey& key, std::shared_ptr<const std::string> bytes) {
  const uint64_t checksum = ObjectChecksum(key, *bytes);
  return {std::move(bytes), checksum};
}

struct ChecksumOfPieces::State {
  State() : xxh(XXH3_createState()) {}
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* const xxh;
};

ChecksumOfPieces::ChecksumOfPieces(const ObjectKey& key) : state_(std::make_unique<State>()) {
  XXH3_64bits_reset_withSeed(state_->xxh, ChecksumSeed(key));
}
ChecksumOfPieces::~ChecksumOfPieces() = default;
ChecksumOfPieces::ChecksumOfPieces(ChecksumOfPieces&& other) noexcept = default;
ChecksumOfPieces& ChecksumOfPieces::operator=(ChecksumOfPieces&& other) noexcept = default;

void ChecksumOfPieces::Add(std::span<const char> piece) {
  XXH3_64bits_update(state_->xxh, piece.data(), piece.size());
}
uint64_t ChecksumOfPieces::checksum() const { return XXH3_64bits_digest(state_->xxh); }

PayloadGatherer::PayloadGatherer(const ObjectKey& key, size_t size)
    : size_(size), bytes_(std::make_shared<std::string>()), checksum_(key) {
  bytes_->reserve(size);
  AskForHugePages(bytes_->data(), size);
}

bool PayloadGatherer::Add(std::span<const char> piece) {
  // So small that it is still in the cache when it is read again.
  constexpr size_t kCached = size_t{128} << 10;
  if (piece.size() > size_ - bytes_->size()) return false;
  for (; !piece.empty(); piece = piece.subspan(std::min(piece.size(), kCached))) {
    const std::span<const char> now = piece.first(std::min(piece.size(), kCached));
    const size_t at = bytes_->size();
    bytes_->append(now.data(), now.size());
    checksum_.Add(std::span<const char>(bytes_->data() + at, now.size()));
  }
  return true;
}

}  // namespace coterie

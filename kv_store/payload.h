// A payload in one piece with the checksum that it has, and how it is gathered from the pieces in
// which it comes: each is copied once and read while it is in the processor's cache, so that the
// checksum costs next to nothing.
#ifndef COTERIE_KV_STORE_PAYLOAD_H_
#define COTERIE_KV_STORE_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "kv_store/block_id.h"

namespace coterie {

struct Payload {
  std::shared_ptr<const std::string> bytes;
  uint64_t checksum = 0;  // ObjectChecksum, of these bytes
};

Payload MeasurePayload(const ObjectKey& key, std::shared_ptr<const std::string> bytes);

// The checksum of bytes that come in pieces.
class ChecksumOfPieces {
 public:
  explicit ChecksumOfPieces(const ObjectKey& key);
  ~ChecksumOfPieces();
  ChecksumOfPieces(ChecksumOfPieces&& other) noexcept;
  ChecksumOfPieces& operator=(ChecksumOfPieces&& other) noexcept;

  void Add(std::span<const char> piece);
  uint64_t checksum() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class PayloadGatherer {
 public:
  // size: of the whole.
  PayloadGatherer(const ObjectKey& key, size_t size);
  // False: that is more than the whole, and nothing was taken.
  bool Add(std::span<const char> piece);
  bool IsWhole() const { return bytes_->size() == size_; }
  size_t size() const { return size_; }
  Payload Take() { return {std::move(bytes_), checksum_.checksum()}; }

 private:
  const size_t size_;
  std::shared_ptr<std::string> bytes_;
  ChecksumOfPieces checksum_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_PAYLOAD_H_

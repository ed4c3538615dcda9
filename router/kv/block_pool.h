// BlockPool: KV blocks of one size, carved from slabs that are taken as they are needed and kept.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_KV_BLOCK_POOL_H_
#define COTERIE_ROUTER_KV_BLOCK_POOL_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/buffer.h"

namespace coterie {

class BlockPool {
 public:
  explicit BlockPool(int64_t block_bytes) : block_bytes_(block_bytes) {}

  std::byte* Take() {
    if (free_.empty()) AddSlab();
    std::byte* block = free_.back();
    free_.pop_back();
    ++num_used_;
    return block;
  }
  void Return(std::byte* block) {
    free_.push_back(block);
    --num_used_;
  }
  int64_t block_bytes() const { return block_bytes_; }
  int64_t num_used() const { return num_used_; }

 private:
  void AddSlab() {
    // Slabs of 16 MiB are huge pages; a block larger than that is a slab.
    const int64_t count = std::max<int64_t>(1, (16 << 20) / block_bytes_);
    slabs_.emplace_back(static_cast<size_t>(count * block_bytes_));
    for (int64_t i = count - 1; i >= 0; --i)
      free_.push_back(slabs_.back().data() + i * block_bytes_);
  }

  const int64_t block_bytes_;
  int64_t num_used_ = 0;
  std::vector<Buffer> slabs_;
  std::vector<std::byte*> free_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_BLOCK_POOL_H_

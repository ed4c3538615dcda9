// BlockPool: KV blocks of one size, carved from slabs that are taken as they are needed and kept,
// and counted references to them. A block goes back when nobody refers to it.
//
// A block that is full never changes, so sequences and the prefix index share it. Who refers to it
// is told apart: what only the index keeps can be had back by evicting, what a sequence uses
// cannot, and what only waits to be written to a store (KvWriter) counts against that queue's bound
// instead of the cache's.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_KV_BLOCK_POOL_H_
#define COTERIE_ROUTER_KV_BLOCK_POOL_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "kernels/buffer.h"

namespace coterie {

enum class BlockUse { kSequence, kIndex, kWriter };

struct KvBlock {
  std::byte* data = nullptr;
  int32_t num_sequences = 0;
  int32_t num_index = 0;
  int32_t num_writer = 0;

  bool only_written() const { return num_writer > 0 && num_sequences + num_index == 0; }
};

class BlockPool {
 public:
  explicit BlockPool(int64_t block_bytes) : block_bytes_(block_bytes) {}

  // A block that nobody refers to yet.
  KvBlock* Take() {
    if (free_.empty()) AddSlab();
    KvBlock* block = free_.back();
    free_.pop_back();
    ++num_used_;
    return block;
  }
  void Ref(KvBlock* block, BlockUse use) {
    const bool was_only_written = block->only_written();
    if (use == BlockUse::kSequence) {
      if (block->num_sequences++ == 0) ++num_in_sequences_;
    } else {
      ++(use == BlockUse::kIndex ? block->num_index : block->num_writer);
    }
    num_only_written_ += block->only_written() - was_only_written;
  }
  void Unref(KvBlock* block, BlockUse use) {
    const bool was_only_written = block->only_written();
    if (use == BlockUse::kSequence) {
      if (--block->num_sequences == 0) --num_in_sequences_;
    } else {
      --(use == BlockUse::kIndex ? block->num_index : block->num_writer);
    }
    num_only_written_ += block->only_written() - was_only_written;
    if (block->num_index + block->num_sequences + block->num_writer > 0) return;
    free_.push_back(block);
    --num_used_;
  }

  int64_t block_bytes() const { return block_bytes_; }
  int64_t num_used() const { return num_used_; }                  // by whomever
  int64_t num_in_sequences() const { return num_in_sequences_; }  // of those
  int64_t num_only_written() const { return num_only_written_; }  // of those, by a writer alone

 private:
  void AddSlab() {
    // Slabs of 16 MiB are huge pages; a block larger than that is a slab.
    const int64_t count = std::max<int64_t>(1, (16 << 20) / block_bytes_);
    slabs_.emplace_back(static_cast<size_t>(count * block_bytes_));
    for (int64_t i = count - 1; i >= 0; --i) {
      blocks_.push_back({slabs_.back().data() + i * block_bytes_});
      free_.push_back(&blocks_.back());
    }
  }

  const int64_t block_bytes_;
  int64_t num_used_ = 0, num_in_sequences_ = 0, num_only_written_ = 0;
  std::vector<Buffer> slabs_;
  std::deque<KvBlock> blocks_;  // addresses stay
  std::vector<KvBlock*> free_;
};

// One reference. The pool outlives it.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(BlockPool* pool, KvBlock* block, BlockUse use) : pool_(pool), block_(block), use_(use) {
    if (block_ != nullptr) pool_->Ref(block_, use_);
  }
  BlockRef(const BlockRef& other) : BlockRef(other.pool_, other.block_, other.use_) {}
  BlockRef(BlockRef&& other) noexcept
      : pool_(other.pool_), block_(std::exchange(other.block_, nullptr)), use_(other.use_) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(block_, other.block_);
    std::swap(use_, other.use_);
    return *this;
  }
  ~BlockRef() {
    if (block_ != nullptr) pool_->Unref(block_, use_);
  }

  // Another reference to the same block.
  BlockRef For(BlockUse use) const { return BlockRef(pool_, block_, use); }
  std::byte* data() const { return block_->data; }
  bool in_sequence() const { return block_->num_sequences > 0; }
  friend bool operator==(const BlockRef& a, const BlockRef& b) { return a.block_ == b.block_; }

 private:
  BlockPool* pool_ = nullptr;
  KvBlock* block_ = nullptr;
  BlockUse use_ = BlockUse::kSequence;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_BLOCK_POOL_H_

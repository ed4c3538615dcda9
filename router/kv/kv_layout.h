// KvLayout: where a layer's keys and values lie. Layers come in two groups, sliding and global. A
// block of a group holds 64 positions of all its layers, one after another, so that it is taken,
// shared and forgotten as one.
//
// Global layers keep every position. Sliding layers keep what later positions can see: a sequence
// has the window, rounded up to blocks, and while it prefills the chunk on top. For the 26B in
// bf16: 12.5 MiB a sliding block, 17 of them for a sequence in decode; 800 KiB a global one (12,800
// B a token).
#ifndef COTERIE_ROUTER_KV_KV_LAYOUT_H_
#define COTERIE_ROUTER_KV_KV_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"

namespace coterie {

struct KvOptions {
  KvType type = KvType::kBF16;
  int64_t prefill_chunk = 512;  // the most rows of one sequence in a step
  int64_t budget_bytes = 2LL << 30;
  bool prefix_cache = true;  // keep what finished sequences have computed
};

inline int64_t KvBlocksFor(int64_t num_tokens) {
  return (num_tokens + kKvBlockTokens - 1) / kKvBlockTokens;
}

class KvLayout {
 public:
  KvLayout(const ModelConfig& config, const KvOptions& options);

  int64_t num_layers() const { return static_cast<int64_t>(offsets_.size()); }
  bool is_global(int64_t layer) const { return is_global_[static_cast<size_t>(layer)]; }
  // Of a layer in its group's block, in bytes.
  int64_t offset(int64_t layer) const { return offsets_[static_cast<size_t>(layer)]; }
  int64_t sliding_block_bytes() const { return sliding_block_bytes_; }
  int64_t global_block_bytes() const { return global_block_bytes_; }

  // The first block that a query at `position` or later can see in a sliding layer, and that a
  // sequence resumed at the block border before `position` would see.
  int64_t FirstVisibleBlock(int64_t position) const;
  // What a sequence of so many tokens takes at most, while it prefills.
  int64_t BytesFor(int64_t num_tokens) const;
  // The reverse: how many blocks one sequence can have in so many bytes.
  int64_t BlocksWithin(int64_t num_bytes) const;

 private:
  std::vector<bool> is_global_;   // [num_layers]
  std::vector<int64_t> offsets_;  // [num_layers]
  int64_t sliding_block_bytes_ = 0, global_block_bytes_ = 0;
  int64_t window_ = 0;
  int64_t sliding_blocks_max_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_LAYOUT_H_

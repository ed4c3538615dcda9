#include "router/kv/kv_layout.h"

#include <algorithm>

#include "model/trunk.h"

namespace coterie {

KvLayout::KvLayout(const ModelConfig& config, const KvOptions& options)
    : is_global_(config.layer_is_global), window_(config.sliding_window) {
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    int64_t& bytes = is_global(layer) ? global_block_bytes_ : sliding_block_bytes_;
    offsets_.push_back(bytes);
    bytes += Trunk::KvShapeOf(config, layer, options.type).block_bytes();
  }
  // A group that the model lacks gets blocks of one byte.
  sliding_block_bytes_ = std::max<int64_t>(sliding_block_bytes_, 1);
  global_block_bytes_ = std::max<int64_t>(global_block_bytes_, 1);
  // A step writes up to prefill_chunk positions from p on and attends back to the first block that
  // p's border can see: the window, the chunk, and a block where neither end falls on a border.
  sliding_blocks_max_ = KvBlocksFor(window_ - 1) + KvBlocksFor(options.prefill_chunk) + 1;
}

int64_t KvLayout::FirstVisibleBlock(int64_t position) const {
  const int64_t border = position / kKvBlockTokens * kKvBlockTokens;
  return std::max<int64_t>(0, border - window_ + 1) / kKvBlockTokens;
}

int64_t KvLayout::BytesFor(int64_t num_tokens) const {
  const int64_t blocks = KvBlocksFor(num_tokens);
  return blocks * global_block_bytes_ +
         std::min(blocks, sliding_blocks_max_) * sliding_block_bytes_;
}

int64_t KvLayout::BlocksWithin(int64_t num_bytes) const {
  const int64_t both = num_bytes / (sliding_block_bytes_ + global_block_bytes_);
  if (both <= sliding_blocks_max_) return both;
  return (num_bytes - sliding_blocks_max_ * sliding_block_bytes_) / global_block_bytes_;
}

}  // namespace coterie

#include "router/kv/kv_cache.h"

#include <algorithm>

#include "kernels/check.h"
#include "model/trunk.h"

namespace coterie {
namespace {

int64_t BlocksFor(int64_t num_tokens) { return (num_tokens + kKvBlockTokens - 1) / kKvBlockTokens; }

// All layers of a type have one shape; a type that the model lacks gets blocks of one byte, never
// taken.
int64_t BlockBytes(const ModelConfig& config, bool global, KvType type) {
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    if (config.layer_is_global[static_cast<size_t>(layer)] == global)
      return Trunk::KvShapeOf(config, layer, type).block_bytes();
  }
  return 1;
}

}  // namespace

// A step writes up to prefill_chunk positions p … and then attends from p back to p - window + 1:
// that many blocks are in use at once, one more where neither end falls on a border.
KvCache::KvCache(const ModelConfig* config, Options options)
    : config_(config),
      options_(options),
      ring_blocks_((config->sliding_window + options.prefill_chunk - 2) / kKvBlockTokens + 2),
      sliding_(BlockBytes(*config, false, options.type)),
      global_(BlockBytes(*config, true, options.type)) {}

int64_t KvCache::BytesFor(int64_t num_tokens) const {
  int64_t bytes = 0;
  for (int64_t layer = 0; layer < config_->num_layers; ++layer) {
    const int64_t blocks = BlocksFor(num_tokens);
    bytes += IsGlobal(layer) ? blocks * global_.block_bytes()
                             : std::min(blocks, ring_blocks_) * sliding_.block_bytes();
  }
  return bytes;
}

std::unique_ptr<KvCache::Sequence> KvCache::Reserve(int64_t max_tokens) {
  const int64_t bytes = BytesFor(max_tokens);
  if (reserved_bytes_ + bytes > options_.budget_bytes) return nullptr;
  reserved_bytes_ += bytes;
  return std::unique_ptr<Sequence>(new Sequence(this, max_tokens, bytes));
}

KvCache::Sequence::Sequence(KvCache* cache, int64_t max_tokens, int64_t reserved_bytes)
    : cache_(cache),
      max_tokens_(max_tokens),
      reserved_bytes_(reserved_bytes),
      blocks_(static_cast<size_t>(cache->config_->num_layers)) {}

void KvCache::Sequence::Grow(int64_t num_tokens) {
  CHECK_LE(num_tokens, max_tokens_);
  for (; num_blocks_ < BlocksFor(num_tokens); ++num_blocks_) {
    for (int64_t layer = 0; layer < cache_->config_->num_layers; ++layer) {
      std::vector<std::byte*>& blocks = blocks_[static_cast<size_t>(layer)];
      const bool reuse = !cache_->IsGlobal(layer) && num_blocks_ >= cache_->ring_blocks_;
      blocks.push_back(reuse ? blocks[static_cast<size_t>(num_blocks_ - cache_->ring_blocks_)]
                             : cache_->PoolOf(layer).Take());
    }
  }
}

KvCache::Sequence::~Sequence() {
  for (int64_t layer = 0; layer < cache_->config_->num_layers; ++layer) {
    const std::vector<std::byte*>& blocks = blocks_[static_cast<size_t>(layer)];
    const auto held = static_cast<int64_t>(blocks.size());
    const int64_t own = cache_->IsGlobal(layer) ? held : std::min(held, cache_->ring_blocks_);
    for (int64_t i = 0; i < own; ++i) cache_->PoolOf(layer).Return(blocks[static_cast<size_t>(i)]);
  }
  cache_->reserved_bytes_ -= reserved_bytes_;
}

}  // namespace coterie

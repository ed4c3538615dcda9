// KvCache: the keys and values of the sequences in this router, in blocks of 64 tokens. Global
// layers keep every position; sliding layers reuse a ring of blocks that spans the window and one
// prefill chunk, so a sequence's sliding memory does not grow.
//
// Memory is promised before a sequence starts: Reserve takes the worst case, so that nothing fails
// midway.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_KV_KV_CACHE_H_
#define COTERIE_ROUTER_KV_KV_CACHE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "model/config.h"
#include "router/kv/block_pool.h"

namespace coterie {

class KvCache {
 public:
  struct Options {
    KvType type = KvType::kBF16;
    int64_t prefill_chunk = 512;  // the most rows of one sequence in a step
    int64_t budget_bytes = 2LL << 30;
  };

  // The blocks of one sequence; gives them back when destroyed. The cache outlives it.
  class Sequence {
   public:
    ~Sequence();
    Sequence(const Sequence&) = delete;
    Sequence& operator=(const Sequence&) = delete;

    // Makes room for positions below `num_tokens`, which the reservation covers.
    void Grow(int64_t num_tokens);
    KvView View(int64_t layer) const { return {blocks_[static_cast<size_t>(layer)].data(), 0}; }

   private:
    friend class KvCache;
    Sequence(KvCache* cache, int64_t max_tokens, int64_t reserved_bytes);

    KvCache* const cache_;
    const int64_t max_tokens_;
    const int64_t reserved_bytes_;
    int64_t num_blocks_ = 0;
    std::vector<std::vector<std::byte*>>
        blocks_;  // [layer][position / 64]; a sliding layer's repeat after ring_blocks
  };

  // config: not owned, outlives this.
  KvCache(const ModelConfig* config, Options options);

  // What a sequence of so many tokens takes at most.
  int64_t BytesFor(int64_t num_tokens) const;
  // Null when the budget has no room now.
  std::unique_ptr<Sequence> Reserve(int64_t max_tokens);

  const Options& options() const { return options_; }
  int64_t reserved_bytes() const { return reserved_bytes_; }
  int64_t used_bytes() const {
    return sliding_.num_used() * sliding_.block_bytes() +
           global_.num_used() * global_.block_bytes();
  }

 private:
  bool IsGlobal(int64_t layer) const {
    return config_->layer_is_global[static_cast<size_t>(layer)];
  }
  BlockPool& PoolOf(int64_t layer) { return IsGlobal(layer) ? global_ : sliding_; }

  const ModelConfig* const config_;
  const Options options_;
  const int64_t ring_blocks_;
  BlockPool sliding_, global_;
  int64_t reserved_bytes_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_CACHE_H_

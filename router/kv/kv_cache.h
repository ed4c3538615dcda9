// KvCache: the keys and values of this router's sequences, and of contexts that may come back, in
// blocks of 64 tokens under one budget of bytes.
//
//   std::unique_ptr<KvCache::Sequence> kv = cache.Start(salt, tokens);   // maybe a cached prefix
//   for (…) {
//     if (!kv->Grow(end, now)) …                        // no memory: somebody must yield
//     …compute positions kv->num_tokens() … end - 1…
//     kv->Commit(tokens, end);
//   }
//   kv->Finish(now, hint);                              // or just destroy it
//
// Memory is taken as a sequence grows. When the budget is used up, contexts that nobody uses are
// forgotten (PrefixIndex); when there are none, Grow fails.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_KV_KV_CACHE_H_
#define COTERIE_ROUTER_KV_KV_CACHE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "router/engine/resume_hint.h"
#include "router/kv/block_pool.h"
#include "router/kv/kv_layout.h"
#include "router/kv/prefix_index.h"

namespace coterie {

class KvCache {
 public:
  // Besides those asked for, a long context has a checkpoint at every multiple of this.
  static constexpr int64_t kCheckpointInterval = 16384;

  // The blocks of one sequence. The cache outlives it.
  class Sequence {
   public:
    ~Sequence();
    Sequence(const Sequence&) = delete;
    Sequence& operator=(const Sequence&) = delete;

    // Makes room for positions below `end`, at most prefill_chunk beyond num_tokens(). False, with
    // nothing changed but what was forgotten, when there is no memory.
    bool Grow(int64_t end, absl::Time now);
    // Positions below `end` are computed; `tokens` are theirs, and maybe more. Full blocks become
    // known to the prefix index. A sequence that is alone may leave `tokens` empty.
    void Commit(std::span<const int32_t> tokens, int64_t end);
    // A later context is expected to part from this one, or go on from it, after so many tokens:
    // when they are computed, the block border before is made a checkpoint.
    void ExpectResumeAt(int64_t num_tokens) { WantCheckpoint(num_tokens, false); }
    // The last block border becomes a checkpoint, and the context is left to the index.
    void Finish(absl::Time now, ResumeHint hint);

    KvView View(int64_t layer) const { return {tables_[static_cast<size_t>(layer)].data(), 0}; }
    int64_t num_tokens() const { return num_tokens_; }    // computed
    int64_t num_resumed() const { return num_resumed_; }  // of them, found in the cache
    int64_t held_bytes() const;                           // shared blocks included

   private:
    friend class KvCache;
    struct WantedCheckpoint {
      int64_t num_tokens;
      bool is_branch;
    };
    explicit Sequence(KvCache* cache);

    void WantCheckpoint(int64_t num_tokens, bool is_branch);
    void Resume(const PrefixIndex::Node* node);
    void AddBlock(BlockRef sliding, BlockRef global);
    void PointTables(int64_t block);
    void IndexFullBlocks(std::span<const int32_t> tokens);
    void MakeCheckpoints();
    void MakeCheckpoint(PrefixIndex::Node* node, bool is_branch);

    KvCache* const cache_;
    std::vector<std::vector<std::byte*>>
        tables_;                     // [layer][position / 64]; dangling once invisible
    std::vector<BlockRef> global_;   // [position / 64]
    std::vector<BlockRef> sliding_;  // [position / 64 - first_sliding_]
    int64_t first_sliding_ = 0;
    int64_t num_tokens_ = 0, num_resumed_ = 0;
    PrefixIndex::Node* node_ = nullptr;  // the deepest full block; null: the index is not used
    std::vector<WantedCheckpoint> wanted_;
  };

  // config: not owned, outlives this.
  KvCache(const ModelConfig* config, KvOptions options);

  // A sequence that will hold `tokens`, with what is cached of all of them but the last, which must
  // be computed to go on. `salt` keeps tenants apart.
  std::unique_ptr<Sequence> Start(const std::string& salt, std::span<const int32_t> tokens);

  // A sequence that neither takes from the prefix index nor leaves to it.
  std::unique_ptr<Sequence> StartAlone();

  // What a sequence of so many tokens takes at most.
  int64_t BytesFor(int64_t num_tokens) const { return layout_.BytesFor(num_tokens); }
  // How many blocks one sequence can have in so many bytes.
  int64_t BlocksWithin(int64_t num_bytes) const { return layout_.BlocksWithin(num_bytes); }
  // What a sequence of these tokens would take beyond what running sequences hold already.
  int64_t BytesToStart(const std::string& salt, std::span<const int32_t> tokens);
  // Not in use by a sequence: free, or to be had by forgetting.
  int64_t available_bytes() const { return options_.budget_bytes - held_bytes(); }

  const KvOptions& options() const { return options_; }
  const KvLayout& layout() const { return layout_; }
  const PrefixIndex& index() const { return index_; }
  int64_t held_bytes() const;  // by sequences
  int64_t used_bytes() const { return sliding_bytes() + global_bytes(); }
  int64_t sliding_bytes() const { return sliding_.num_used() * sliding_.block_bytes(); }
  int64_t global_bytes() const { return global_.num_used() * global_.block_bytes(); }

 private:
  BlockRef Take(BlockPool* pool, absl::Time now);

  const KvOptions options_;
  const KvLayout layout_;
  BlockPool sliding_, global_;
  PrefixIndex index_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_CACHE_H_

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
// With a store behind it (StoreLink), what becomes known here is written there, and what a sequence
// lacks is fetched from there before it starts:
//
//   fetch = cache.Lookup(salt, tokens);                 // when the request arrives
//   if (cache.ReadAhead(salt, tokens, fetch, now) > now) …   // hold it back until then
//   cache.Import(salt, tokens, fetch, now);             // then Start finds it
//
// Thread rule: owned by the engine's thread; Lookup by any.
#ifndef COTERIE_ROUTER_KV_KV_CACHE_H_
#define COTERIE_ROUTER_KV_KV_CACHE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"
#include "kv_store/block_id.h"
#include "model/config.h"
#include "router/engine/resume_hint.h"
#include "router/kv/block_pool.h"
#include "router/kv/kv_layout.h"
#include "router/kv/prefix_index.h"
#include "router/kv/store_fetch.h"
#include "router/kv/store_link.h"

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
    // Another context is known to part from this one there.
    void ExpectBranchAt(int64_t num_tokens) { WantCheckpoint(num_tokens, true); }
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
    std::string tenant_;  // where there is a store
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

  // Before the first sequence. Neither is owned; store outlives all sequences, pool this.
  void SetStore(StoreLink* store, Parallel* pool) {
    store_ = store;
    pool_ = pool;
  }
  StoreLink* store() const { return store_; }  // null: none

  // Looks for `tokens`, the last one aside, in the store; goes_on: they are of a request that was
  // begun elsewhere. Null: there is nothing to ask for.
  std::shared_ptr<StoreFetch> Lookup(const std::string& salt, std::span<const int32_t> tokens,
                                     bool goes_on) const;
  // Begins to fetch what was found and is not here, if that is worth it. How long a sequence that
  // could start waits for it at most; a time in the past: it does not.
  absl::Time ReadAhead(const std::string& salt, std::span<const int32_t> tokens, StoreFetch* fetch,
                       absl::Time now);
  // What was fetched becomes known to the prefix index, all of it or nothing, and the fetch is
  // over. One that has not come yet is late, and goes on.
  void Import(const std::string& salt, std::span<const int32_t> tokens, StoreFetch* fetch,
              absl::Time now);
  // What Import of a context that has been fetched takes.
  int64_t BytesToImport(const std::string& salt, std::span<const int32_t> tokens,
                        const StoreFetch& fetch);
  // How many of `tokens` a sequence would find here.
  int64_t NumResumable(const std::string& salt, std::span<const int32_t> tokens);

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
  // What only waits to be written to a store is not counted: the writer has its own bound.
  int64_t sliding_bytes() const {
    return (sliding_.num_used() - sliding_.num_only_written()) * sliding_.block_bytes();
  }
  int64_t global_bytes() const {
    return (global_.num_used() - global_.num_only_written()) * global_.block_bytes();
  }

 private:
  BlockRef Take(BlockPool* pool, absl::Time now);
  PrefixIndex::Node* NamedRoot(const std::string& salt);
  // Of the local blocks [first, end), those that checkpoints at or above `node` hold.
  static std::map<int64_t, BlockRef> LocalsAt(const PrefixIndex::Node* node, int64_t first,
                                              int64_t end);
  StoreLink::Need NeedOf(const std::string& salt, std::span<const int32_t> tokens,
                         int64_t num_blocks);
  void ForgetMarksOfLost(const std::string& salt, std::span<const int32_t> tokens,
                         const StoreFetch& fetch);
  // How many tokens need not be computed now; 0: nothing was of use.
  int64_t ImportFetched(const std::string& salt, std::span<const int32_t> tokens,
                        int64_t num_blocks, const std::vector<BlockId>& ids,
                        const StoreFetch::Fetched& fetched, absl::Time now);

  const KvOptions options_;
  const KvLayout layout_;
  BlockPool sliding_, global_;
  PrefixIndex index_;
  StoreLink* store_ = nullptr;
  Parallel* pool_ = nullptr;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_CACHE_H_

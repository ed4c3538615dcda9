// StoreLink: the store behind a router's cache. Names contexts, writes behind what the cache
// learns, and reads ahead what it lacks; KvCache says what and when.
//
// A store is never in the way: a lookup is waited for no longer than its patience, a fetch no
// longer than it is seen to be worth, and one that fails again and again is not asked
// (StoreHealth). It is never wrong either: what it says is either what was computed, bit for bit,
// or a miss.
//
// Thread rule: Lookup, bell and Flush by any thread, all else by the engine's.
#ifndef COTERIE_ROUTER_KV_STORE_LINK_H_
#define COTERIE_ROUTER_KV_STORE_LINK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "router/engine/resume_hint.h"
#include "router/kv/context_names.h"
#include "router/kv/fetch_policy.h"
#include "router/kv/kv_codec.h"
#include "router/kv/kv_store_metrics.h"
#include "router/kv/kv_writer.h"
#include "router/kv/prefix_index.h"
#include "router/kv/store_fetch.h"
#include "router/kv/store_health.h"

namespace coterie {

class StoreLink {
 public:
  struct Options {
    // All that shapes keys and values besides tokens and tenant: two routers whose fields differ
    // share nothing.
    std::vector<std::string> root_fields;
    // Tokens that conversations of any tenant may begin with: what they share.
    std::vector<std::vector<int32_t>> public_prompts;
    // How long a sequence that could start waits for the answer to its lookup.
    absl::Duration patience = absl::Milliseconds(3);
    // The same for a request that goes on: the store has just found its journal, and has most
    // likely all of its context.
    absl::Duration patience_to_go_on = absl::Milliseconds(100);
    // What was offered so long ago and is not found is taken for lost, and written again.
    absl::Duration write_limit = absl::Seconds(20);
    // How long a store that fails again and again is not asked, at first.
    absl::Duration first_pause = absl::Seconds(1);
    // Of what is fetched and not yet in the cache.
    int64_t fetch_bytes = int64_t{1} << 30;
    FetchPolicy::Options policy;
    KvWriter::Options writer;
  };
  // None is owned; all outlive this.
  StoreLink(BlockStore* store, const KvCodec* codec, Options options, KvStoreMetrics* metrics);

  const KvCodec& codec() const { return *codec_; }
  const std::shared_ptr<StoreBell>& bell() const { return bell_; }

  // Names a tenant's root, and the context that ends at a node whose parent has a name.
  void NameRoot(const std::string& tenant, PrefixIndex::Node* root) const;
  void NameChild(const std::string& tenant, const PrefixIndex::Node& parent,
                 PrefixIndex::Node* child, std::span<const int32_t> tokens) const;
  const ContextNames& names() const { return names_; }

  // Starts to look for the whole blocks of `tokens`. Null: the store is not asked.
  std::shared_ptr<StoreFetch> Lookup(const std::string& tenant, std::span<const int32_t> tokens,
                                     bool goes_on);

  struct Need {
    StoreFetch::Wanted wanted;
    int64_t num_tokens = 0;  // that need not be computed then; 0: nothing is needed
  };
  // Fetches what was found, if that is worth it. need(): asked once it is known what was found.
  void ReadAhead(StoreFetch* fetch, absl::FunctionRef<Need()> need, absl::Time now);
  // Until when a sequence that could start waits for `fetch`; in the past: it does not.
  absl::Time HoldUntil(const StoreFetch& fetch) const;
  // It was in the store or on its way: a lookup that does not find it any more says it is lost.
  // asked: when the lookup began.
  bool IsLostIfAbsent(const StoreMarks& marks, absl::Time asked) const {
    return marks.global && asked - marks.offered >= options_.write_limit;
  }
  // The cache has all of the context.
  void NotNeeded(StoreFetch* fetch);
  // The sequence starts, and what has not come by now is late. It may come yet, and save the rest
  // of the prompt.
  void CountLate(StoreFetch* fetch, absl::Time now);
  // What was fetched is in the cache: so many tokens; 0: it was of no use.
  void CountImported(const StoreFetch& fetch, int64_t num_tokens, absl::Time now);
  void ObservePrefill(int64_t num_tokens, absl::Duration took) {
    policy_.ObservePrefill(num_tokens, took);
  }

  // Queues what is not in the store of a full block, of a node's checkpoint. False: no room.
  bool Write(const std::string& tenant, const PrefixIndex::Node& node);
  bool WriteCheckpoint(const std::string& tenant, const PrefixIndex::Node& node);
  // Of the blocks up to `node`, what was dropped before.
  void WriteDropped(const std::string& tenant, const PrefixIndex::Node& node);
  void Hint(const PrefixIndex::Node& node, ResumeHint hint);
  // Takes back the references of what was written. Between two steps.
  void Collect();
  // Until all is written, or the deadline.
  bool Flush(absl::Time deadline) { return writer_.Flush(deadline) && store_->Flush(deadline); }

 private:
  ObjectKey KeyOf(const PrefixIndex::Node& node, BlockKind kind) const {
    return {node.store_marks()->name.id, kind, codec_->repr()};
  }
  bool Offer(KvWriter::Job* job);

  BlockStore* const store_;
  const KvCodec* const codec_;
  const Options options_;
  const ContextNames names_;
  KvStoreMetrics* const metrics_;
  const std::shared_ptr<StoreBell> bell_ = std::make_shared<StoreBell>();
  const std::shared_ptr<StoreHealth> health_ = std::make_shared<StoreHealth>(options_.first_pause);
  const std::shared_ptr<std::atomic<int64_t>> fetching_bytes_ =
      std::make_shared<std::atomic<int64_t>>(0);
  FetchPolicy policy_;
  KvWriter writer_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_STORE_LINK_H_

// PrefixIndex: which contexts this router still has keys and values of. A tree: a node is a block
// of 64 tokens after its parent's, with the block of the global layers. Some nodes also have a
// *window checkpoint*: the blocks of the sliding layers that a sequence needs to go on from there.
// A match reaches as deep as the tokens agree; a sequence can resume at the deepest checkpoint on
// the way.
//
// Of a lineage (a node's ancestors) the last two checkpoints are kept, and those at learned branch
// points, where contexts are known to part. Eviction takes leaves first, those that nobody expects
// back soonest first (ResumeHint), and only then checkpoints further up.
//
// Roots are apart by salt: a tenant never sees, nor learns from timing, what another has cached.
//
// Thread rule: owned by the engine's thread. No clock of its own.
#ifndef COTERIE_ROUTER_KV_PREFIX_INDEX_H_
#define COTERIE_ROUTER_KV_PREFIX_INDEX_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "kernels/kernels.h"
#include "router/engine/resume_hint.h"
#include "router/kv/block_key.h"
#include "router/kv/block_pool.h"
#include "router/kv/store_marks.h"

namespace coterie {

struct WindowCheckpoint {
  std::vector<BlockRef> blocks;  // from first_block up to the node's own
  int64_t first_block = 0;
  bool is_branch = false;
};

class PrefixIndex {
 public:
  static constexpr int kCheckpointsPerLineage = 2;

  class Node {
   public:
    int64_t num_tokens() const { return num_tokens_; }  // of the context that ends here
    const Node* parent() const { return parent_; }
    const BlockRef& block() const { return block_; }
    const WindowCheckpoint* checkpoint() const { return checkpoint_.get(); }
    // What a store has of it; null where there is no store.
    const std::shared_ptr<StoreMarks>& store_marks() const { return store_marks_; }
    void set_store_marks(std::shared_ptr<StoreMarks> marks) { store_marks_ = std::move(marks); }

   private:
    friend class PrefixIndex;
    Node* parent_ = nullptr;
    BlockKey key_;
    std::string salt_;  // of a root
    std::array<int32_t, kKvBlockTokens> tokens_{};
    int64_t num_tokens_ = 0;
    BlockRef block_;
    std::unique_ptr<WindowCheckpoint> checkpoint_;
    std::shared_ptr<StoreMarks> store_marks_;
    absl::flat_hash_map<BlockKey, std::unique_ptr<Node>> children_;
    int32_t num_users_ = 0;  // sequences that stand here
    absl::Time last_use_ = absl::InfinitePast();
    ResumeHint hint_ = ResumeHint::kNone;
  };

  struct Match {
    Node* deepest = nullptr;  // as far as the tokens agree; a root when none do
    Node* resume = nullptr;   // the deepest with a checkpoint; null when there is none
  };

  PrefixIndex() = default;
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  // Never null; made when it is not there.
  Node* Root(const std::string& salt);
  // Looks at whole blocks of `tokens` only.
  Match Find(const std::string& salt, std::span<const int32_t> tokens);
  // The child of `parent` for these 64 tokens: the one there is, or a new one with `block`.
  Node* Insert(Node* parent, std::span<const int32_t> tokens, const BlockRef& block);
  // Replaces one that is there only by a branch's; drops the lineage's older ones.
  void SetCheckpoint(Node* node, WindowCheckpoint checkpoint);

  // While a sequence stands at a node, the node and its ancestors stay.
  void Enter(Node* node);
  // Goes on from a node to one of its children.
  void Advance(Node* from, Node* to);
  // `hint` says when the context is expected back.
  void Leave(Node* node, absl::Time now, ResumeHint hint);

  // Gives up one leaf, or one checkpoint; false when there is nothing left to give up. Need not
  // free memory: a sequence may use the blocks too.
  bool EvictOne(absl::Time now);

  int64_t num_nodes() const { return num_nodes_; }
  int64_t num_checkpoints() const { return static_cast<int64_t>(checkpointed_.size()); }
  int64_t num_evicted() const { return num_evicted_; }

 private:
  using Order = std::set<std::pair<absl::Time, Node*>>;

  static bool IsEvictable(const Node& node);
  Order& OrderOf(const Node& node) { return evictable_[static_cast<size_t>(node.hint_)]; }
  void Track(Node* node);
  void Untrack(Node* node);
  Node* LeastWanted(absl::Time now);
  void Remove(Node* node);
  void DropCheckpoint(Node* node);
  void ThinLineage(Node* node);
  void ForgetRoot(Node* root);

  std::map<std::string, std::unique_ptr<Node>> roots_;  // by salt
  std::array<Order, 4> evictable_;                      // by hint, oldest first
  std::set<Node*> checkpointed_;
  int64_t num_nodes_ = 0, num_evicted_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_PREFIX_INDEX_H_

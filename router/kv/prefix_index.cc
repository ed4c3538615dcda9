#include "router/kv/prefix_index.h"

#include <algorithm>

#include "kernels/check.h"

namespace coterie {
namespace {

// A context that its agent expects back soon is kept for so long, whatever else there is.
constexpr absl::Duration kSoon = absl::Seconds(90);
// One that is expected later goes before others, unless those have been idle for as much longer.
constexpr absl::Duration kLater = absl::Minutes(10);

// How little a context is wanted: the higher, the sooner it goes.
absl::Duration Unwanted(ResumeHint hint, absl::Duration age) {
  switch (hint) {
    case ResumeHint::kNone:
      return age;
    case ResumeHint::kSoon:
      return age < kSoon ? absl::ZeroDuration() : age;
    case ResumeHint::kLater:
      return age + kLater;
    case ResumeHint::kDone:
      return absl::InfiniteDuration();
  }
  return age;
}

}  // namespace

PrefixIndex::Node* PrefixIndex::Root(const std::string& salt) {
  std::unique_ptr<Node>& root = roots_[salt];
  if (root == nullptr) {
    root = std::make_unique<Node>();
    root->key_ = RootKey(salt);
    root->salt_ = salt;
  }
  return root.get();
}

PrefixIndex::Match PrefixIndex::Find(const std::string& salt, std::span<const int32_t> tokens) {
  Match match;
  match.deepest = Root(salt);
  for (; tokens.size() >= kKvBlockTokens; tokens = tokens.subspan(kKvBlockTokens)) {
    const auto block = tokens.first(kKvBlockTokens);
    const auto found = match.deepest->children_.find(ChildKey(match.deepest->key_, block));
    if (found == match.deepest->children_.end() ||
        !std::equal(block.begin(), block.end(), found->second->tokens_.begin()))
      break;
    match.deepest = found->second.get();
    if (match.deepest->checkpoint_ != nullptr) match.resume = match.deepest;
  }
  return match;
}

PrefixIndex::Node* PrefixIndex::Insert(Node* parent, std::span<const int32_t> tokens,
                                       const BlockRef& block) {
  CHECK_EQ(static_cast<int64_t>(tokens.size()), kKvBlockTokens);
  const BlockKey key = ChildKey(parent->key_, tokens);
  if (const auto known = parent->children_.find(key); known != parent->children_.end()) {
    // Two contents under one key: chained 128 bits make that a matter of ages, and then the newer
    // one is simply not kept.
    Node* const child = known->second.get();
    return std::equal(tokens.begin(), tokens.end(), child->tokens_.begin()) ? child : nullptr;
  }
  Untrack(parent);  // while it still is a leaf
  std::unique_ptr<Node>& child = parent->children_[key];
  child = std::make_unique<Node>();
  child->parent_ = parent;
  child->key_ = key;
  std::copy(tokens.begin(), tokens.end(), child->tokens_.begin());
  child->num_tokens_ = parent->num_tokens_ + kKvBlockTokens;
  child->block_ = block.For(BlockUse::kIndex);
  ++num_nodes_;
  Track(child.get());
  return child.get();
}

void PrefixIndex::SetCheckpoint(Node* node, WindowCheckpoint checkpoint) {
  CHECK(node->parent_ != nullptr) << "a root is resumed without a checkpoint";
  if (node->checkpoint_ != nullptr) {
    node->checkpoint_->is_branch |= checkpoint.is_branch;
    return;
  }
  node->checkpoint_ = std::make_unique<WindowCheckpoint>(std::move(checkpoint));
  checkpointed_.insert(node);
  ThinLineage(node);
}

void PrefixIndex::ThinLineage(Node* node) {
  int kept = 0;
  int64_t last = node->num_tokens_ + 2 * kKvBlockTokens;
  for (; node != nullptr; node = node->parent_) {
    if (node->checkpoint_ == nullptr || node->checkpoint_->is_branch) continue;
    // Neighbours count once: a prompt's end and the point where the next turn's will part from it.
    if (node->num_tokens_ + kKvBlockTokens < last) {
      ++kept;
      last = node->num_tokens_;
    }
    if (kept > kCheckpointsPerLineage) DropCheckpoint(node);
  }
}

void PrefixIndex::DropCheckpoint(Node* node) {
  node->checkpoint_.reset();
  checkpointed_.erase(node);
}

void PrefixIndex::Enter(Node* node) {
  Untrack(node);
  ++node->num_users_;
}

void PrefixIndex::Advance(Node* from, Node* to) {
  CHECK(to->parent_ == from && from->num_users_ > 0);
  Enter(to);
  --from->num_users_;  // its child keeps it from being a leaf
}

void PrefixIndex::Leave(Node* node, absl::Time now, ResumeHint hint) {
  CHECK_GT(node->num_users_, 0);
  for (Node* at = node; at != nullptr; at = at->parent_) {
    Untrack(at);
    if (now >= at->last_use_) {
      at->last_use_ = now;
      at->hint_ = hint;
    }
    if (at == node) --at->num_users_;
    Track(at);
  }
  if (node->parent_ == nullptr) ForgetRoot(node);
}

bool PrefixIndex::IsEvictable(const Node& node) {
  return node.parent_ != nullptr && node.children_.empty() && node.num_users_ == 0;
}

void PrefixIndex::Track(Node* node) {
  if (IsEvictable(*node)) OrderOf(*node).insert({node->last_use_, node});
}

void PrefixIndex::Untrack(Node* node) {
  if (IsEvictable(*node)) OrderOf(*node).erase({node->last_use_, node});
}

PrefixIndex::Node* PrefixIndex::LeastWanted(absl::Time now) {
  Node* worst = nullptr;
  absl::Duration most = -absl::InfiniteDuration();
  for (const Order& order : evictable_) {
    if (order.empty()) continue;
    const auto& [last_use, node] = *order.begin();
    const absl::Duration unwanted = Unwanted(node->hint_, now - last_use);
    if (worst != nullptr && unwanted <= most) continue;
    worst = node;
    most = unwanted;
  }
  return worst;
}

bool PrefixIndex::EvictOne(absl::Time now) {
  if (Node* node = LeastWanted(now); node != nullptr) {
    Remove(node);
    ++num_evicted_;
    return true;
  }
  const auto oldest =
      std::min_element(checkpointed_.begin(), checkpointed_.end(),
                       [](const Node* a, const Node* b) { return a->last_use_ < b->last_use_; });
  if (oldest == checkpointed_.end()) return false;
  DropCheckpoint(*oldest);
  ++num_evicted_;
  return true;
}

void PrefixIndex::Remove(Node* node) {
  Untrack(node);
  checkpointed_.erase(node);
  --num_nodes_;
  Node* const parent = node->parent_;
  parent->children_.erase(BlockKey(node->key_));  // a copy: the node's own goes with it
  Track(parent);
  if (parent->parent_ == nullptr) ForgetRoot(parent);
}

void PrefixIndex::ForgetRoot(Node* root) {
  if (root->children_.empty() && root->num_users_ == 0) roots_.erase(std::string(root->salt_));
}

}  // namespace coterie

#include "router/kv/kv_cache.h"

#include <algorithm>
#include <utility>

#include "kernels/check.h"

namespace coterie {

KvCache::KvCache(const ModelConfig* config, KvOptions options)
    : options_(options),
      layout_(*config, options),
      sliding_(layout_.sliding_block_bytes()),
      global_(layout_.global_block_bytes()) {}

int64_t KvCache::held_bytes() const {
  return sliding_.num_in_sequences() * sliding_.block_bytes() +
         global_.num_in_sequences() * global_.block_bytes();
}

BlockRef KvCache::Take(BlockPool* pool, absl::Time now) {
  while (used_bytes() + pool->block_bytes() > options_.budget_bytes) {
    if (!index_.EvictOne(now)) return {};
  }
  return BlockRef(pool, pool->Take(), BlockUse::kSequence);
}

std::unique_ptr<KvCache::Sequence> KvCache::StartAlone() {
  return std::unique_ptr<Sequence>(new Sequence(this));
}

std::unique_ptr<KvCache::Sequence> KvCache::Start(const std::string& salt,
                                                  std::span<const int32_t> tokens) {
  std::unique_ptr<Sequence> sequence = StartAlone();
  if (!options_.prefix_cache) return sequence;
  const PrefixIndex::Match match = index_.Find(salt, tokens.first(tokens.size() - 1));
  PrefixIndex::Node* const node = match.resume != nullptr ? match.resume : NamedRoot(salt);
  index_.Enter(node);
  if (store_ != nullptr) sequence->tenant_ = salt;
  sequence->node_ = node;
  if (match.resume != nullptr) sequence->Resume(match.resume);
  // So they do behind what all tenants share.
  if (store_ != nullptr) sequence->WantCheckpoint(store_->names().NumPublic(tokens), true);
  // Here contexts part, and the next one should not have to go back further.
  if (match.deepest != node) sequence->WantCheckpoint(match.deepest->num_tokens(), true);
  return sequence;
}

int64_t KvCache::BytesToStart(const std::string& salt, std::span<const int32_t> tokens) {
  int64_t bytes = layout_.BytesFor(static_cast<int64_t>(tokens.size()) + 1);
  if (!options_.prefix_cache) return bytes;
  const PrefixIndex::Match match = index_.Find(salt, tokens.first(tokens.size() - 1));
  if (match.resume == nullptr) return bytes;
  for (const PrefixIndex::Node* node = match.resume; node->parent() != nullptr;
       node = node->parent()) {
    if (node->block().in_sequence()) bytes -= global_.block_bytes();
  }
  for (const BlockRef& block : match.resume->checkpoint()->blocks) {
    if (block.in_sequence()) bytes -= sliding_.block_bytes();
  }
  return bytes;
}

KvCache::Sequence::Sequence(KvCache* cache)
    : cache_(cache), tables_(static_cast<size_t>(cache->layout_.num_layers())) {}

KvCache::Sequence::~Sequence() {
  if (node_ != nullptr) cache_->index_.Leave(node_, absl::InfinitePast(), ResumeHint::kNone);
}

void KvCache::Sequence::PointTables(int64_t block) {
  const KvLayout& layout = cache_->layout_;
  for (int64_t layer = 0; layer < layout.num_layers(); ++layer) {
    std::byte* data = nullptr;
    if (layout.is_global(layer)) {
      data = global_[static_cast<size_t>(block)].data();
    } else if (block >= first_sliding_) {
      data = sliding_[static_cast<size_t>(block - first_sliding_)].data();
    }
    std::vector<std::byte*>& table = tables_[static_cast<size_t>(layer)];
    if (static_cast<int64_t>(table.size()) <= block) table.resize(static_cast<size_t>(block) + 1);
    table[static_cast<size_t>(block)] = data == nullptr ? nullptr : data + layout.offset(layer);
  }
}

void KvCache::Sequence::Resume(const PrefixIndex::Node* node) {
  num_tokens_ = num_resumed_ = node->num_tokens();
  for (const PrefixIndex::Node* at = node; at->parent() != nullptr; at = at->parent())
    global_.push_back(at->block().For(BlockUse::kSequence));
  std::reverse(global_.begin(), global_.end());
  first_sliding_ = node->checkpoint()->first_block;
  for (const BlockRef& block : node->checkpoint()->blocks)
    sliding_.push_back(block.For(BlockUse::kSequence));
  for (int64_t block = 0; block < num_tokens_ / kKvBlockTokens; ++block) PointTables(block);
}

bool KvCache::Sequence::Grow(int64_t end, absl::Time now) {
  CHECK_LE(end - num_tokens_, std::max<int64_t>(cache_->options_.prefill_chunk, 1));
  std::vector<std::pair<BlockRef, BlockRef>> taken;
  while (static_cast<int64_t>(global_.size() + taken.size()) < KvBlocksFor(end)) {
    BlockRef sliding = cache_->Take(&cache_->sliding_, now);
    if (sliding == BlockRef()) return false;
    BlockRef global = cache_->Take(&cache_->global_, now);
    if (global == BlockRef()) return false;
    taken.emplace_back(std::move(sliding), std::move(global));
  }
  for (auto& [sliding, global] : taken) {
    sliding_.push_back(std::move(sliding));
    global_.push_back(std::move(global));
    PointTables(static_cast<int64_t>(global_.size()) - 1);
  }
  return true;
}

void KvCache::Sequence::Commit(std::span<const int32_t> tokens, int64_t end) {
  const int64_t interval = KvCache::kCheckpointInterval;
  if (end / interval > num_tokens_ / interval) WantCheckpoint(end / interval * interval, false);
  num_tokens_ = end;
  if (node_ != nullptr) {
    CHECK_LE(end, static_cast<int64_t>(tokens.size()));
    IndexFullBlocks(tokens);
  }
  // What no later position sees, a position at the last block border included.
  const int64_t first = cache_->layout_.FirstVisibleBlock(end);
  if (first <= first_sliding_) return;
  sliding_.erase(sliding_.begin(), sliding_.begin() + (first - first_sliding_));
  first_sliding_ = first;
}

void KvCache::Sequence::IndexFullBlocks(std::span<const int32_t> tokens) {
  while (node_->num_tokens() + kKvBlockTokens <= num_tokens_) {
    const int64_t block = node_->num_tokens() / kKvBlockTokens;
    BlockRef& own = global_[static_cast<size_t>(block)];
    PrefixIndex::Node* const next = cache_->index_.Insert(
        node_, tokens.subspan(static_cast<size_t>(node_->num_tokens()), kKvBlockTokens), own);
    if (next == nullptr) {
      cache_->index_.Leave(node_, absl::InfinitePast(), ResumeHint::kNone);
      node_ = nullptr;
      return;
    }
    cache_->index_.Advance(node_, next);
    if (cache_->store_ != nullptr) {
      cache_->store_->NameChild(
          tenant_, *node_, next,
          tokens.subspan(static_cast<size_t>(node_->num_tokens()), kKvBlockTokens));
      cache_->store_->Write(tenant_, *next);
    }
    node_ = next;
    // Somebody has computed the same already: one copy is enough, the bits are equal.
    if (!(next->block() == own)) {
      own = next->block().For(BlockUse::kSequence);
      PointTables(block);
    }
    MakeCheckpoints();
  }
}

void KvCache::Sequence::WantCheckpoint(int64_t num_tokens, bool is_branch) {
  const int64_t border = num_tokens / kKvBlockTokens * kKvBlockTokens;
  if (border <= num_tokens_ || node_ == nullptr) return;
  wanted_.push_back({border, is_branch});
}

// Of the wanted ones, those at the block that was just completed.
void KvCache::Sequence::MakeCheckpoints() {
  std::erase_if(wanted_, [&](const WantedCheckpoint& wanted) {
    if (wanted.num_tokens != node_->num_tokens()) return wanted.num_tokens < node_->num_tokens();
    MakeCheckpoint(node_, wanted.is_branch);
    return true;
  });
}

void KvCache::Sequence::MakeCheckpoint(PrefixIndex::Node* node, bool is_branch) {
  const int64_t end = node->num_tokens() / kKvBlockTokens,
                first = cache_->layout_.FirstVisibleBlock(node->num_tokens());
  CHECK_GE(first, first_sliding_);
  WindowCheckpoint checkpoint{.first_block = first, .is_branch = is_branch};
  for (int64_t block = first; block < end; ++block) {
    checkpoint.blocks.push_back(
        sliding_[static_cast<size_t>(block - first_sliding_)].For(BlockUse::kIndex));
  }
  cache_->index_.SetCheckpoint(node, std::move(checkpoint));
  if (cache_->store_ != nullptr) cache_->store_->WriteCheckpoint(tenant_, *node);
}

void KvCache::Sequence::Finish(absl::Time now, ResumeHint hint) {
  if (node_ == nullptr) return;
  if (node_->parent() != nullptr) {
    if (cache_->store_ != nullptr) cache_->store_->WriteDropped(tenant_, *node_);
    MakeCheckpoint(node_, false);
    if (cache_->store_ != nullptr) cache_->store_->Hint(*node_, hint);
  }
  cache_->index_.Leave(std::exchange(node_, nullptr), now, hint);
}

int64_t KvCache::Sequence::held_bytes() const {
  return static_cast<int64_t>(sliding_.size()) * cache_->sliding_.block_bytes() +
         static_cast<int64_t>(global_.size()) * cache_->global_.block_bytes();
}

}  // namespace coterie

// KvCache and the store behind it: what is fetched becomes nodes of the prefix index, as if a
// sequence had computed it here.
#include <algorithm>
#include <atomic>
#include <utility>

#include "kernels/check.h"
#include "router/kv/checkpoint_record.h"
#include "router/kv/kv_cache.h"

namespace coterie {

PrefixIndex::Node* KvCache::NamedRoot(const std::string& salt) {
  PrefixIndex::Node* const root = index_.Root(salt);
  if (store_ != nullptr) store_->NameRoot(salt, root);
  return root;
}

std::shared_ptr<StoreFetch> KvCache::Lookup(const std::string& salt,
                                            std::span<const int32_t> tokens, bool goes_on) const {
  if (store_ == nullptr || !options_.prefix_cache) return nullptr;
  return store_->Lookup(salt, tokens.first(tokens.size() - 1), goes_on);
}

int64_t KvCache::NumResumable(const std::string& salt, std::span<const int32_t> tokens) {
  const PrefixIndex::Match match = index_.Find(salt, tokens.first(tokens.size() - 1));
  return match.resume == nullptr ? 0 : match.resume->num_tokens();
}

std::map<int64_t, BlockRef> KvCache::LocalsAt(const PrefixIndex::Node* node, int64_t first,
                                              int64_t end) {
  std::map<int64_t, BlockRef> found;
  for (; node->parent() != nullptr && node->num_tokens() > first * kKvBlockTokens;
       node = node->parent()) {
    if (node->checkpoint() == nullptr) continue;
    int64_t block = node->checkpoint()->first_block;
    for (const BlockRef& local : node->checkpoint()->blocks) {
      if (block >= first && block < end) found.emplace(block, local);
      ++block;
    }
  }
  return found;
}

StoreLink::Need KvCache::NeedOf(const std::string& salt, std::span<const int32_t> tokens,
                                int64_t num_blocks) {
  const int64_t end = num_blocks * kKvBlockTokens, first = layout_.FirstVisibleBlock(end);
  const PrefixIndex::Match match = index_.Find(salt, tokens.first(static_cast<size_t>(end)));
  StoreLink::Need need;
  need.num_tokens = end - (match.resume == nullptr ? 0 : match.resume->num_tokens());
  if (need.num_tokens == 0) return need;
  for (int64_t block = match.deepest->num_tokens() / kKvBlockTokens; block < num_blocks; ++block)
    need.wanted.globals.push_back(block);
  const std::map<int64_t, BlockRef> here = LocalsAt(match.deepest, first, num_blocks);
  for (int64_t block = first; block < num_blocks; ++block) {
    if (!here.contains(block)) need.wanted.locals.push_back(block);
  }
  return need;
}

int64_t KvCache::BytesToImport(const std::string& salt, std::span<const int32_t> tokens,
                               const StoreFetch& fetch) {
  const StoreLink::Need need = NeedOf(salt, tokens, fetch.checkpoint_blocks());
  return static_cast<int64_t>(need.wanted.globals.size()) * global_.block_bytes() +
         static_cast<int64_t>(need.wanted.locals.size()) * sliding_.block_bytes();
}

absl::Time KvCache::ReadAhead(const std::string& salt, std::span<const int32_t> tokens,
                              StoreFetch* fetch, absl::Time now) {
  if (fetch->state() == StoreFetch::State::kLooking &&
      NumResumable(salt, tokens) / kKvBlockTokens ==
          (static_cast<int64_t>(tokens.size()) - 1) / kKvBlockTokens) {
    store_->NotNeeded(fetch);
    return absl::InfinitePast();
  }
  if (fetch->IsNews()) ForgetMarksOfLost(salt, tokens, *fetch);
  store_->ReadAhead(
      fetch, [&] { return NeedOf(salt, tokens, fetch->checkpoint_blocks()); }, now);
  return store_->HoldUntil(*fetch);
}

// What the store had, and has no longer, is written again with what comes next. A lookup does not
// ask for local blocks: all of the context that has lost anything are offered again, and those that
// are there are not sent.
void KvCache::ForgetMarksOfLost(const std::string& salt, std::span<const int32_t> tokens,
                                const StoreFetch& fetch) {
  const int64_t there = fetch.matched_blocks() * kKvBlockTokens,
                asked = static_cast<int64_t>(fetch.ids().size()) * kKvBlockTokens;
  if (there == asked) return;
  const PrefixIndex::Match match = index_.Find(salt, tokens);
  const auto is_lost = [&](const PrefixIndex::Node& node) {
    return node.num_tokens() > there && node.num_tokens() <= asked &&
           store_->IsLostIfAbsent(*node.store_marks(), fetch.began());
  };
  bool any = false;
  for (const PrefixIndex::Node* at = match.deepest; at->parent() != nullptr; at = at->parent())
    any |= is_lost(*at);
  if (!any) return;
  for (const PrefixIndex::Node* at = match.deepest; at->parent() != nullptr; at = at->parent()) {
    StoreMarks& marks = *at->store_marks();
    if (is_lost(*at)) marks.global = false;
    marks.local = marks.checkpoint = false;
  }
}

void KvCache::Import(const std::string& salt, std::span<const int32_t> tokens, StoreFetch* fetch,
                     absl::Time now) {
  if (fetch->state() != StoreFetch::State::kFetched) return store_->CountLate(fetch, now);
  const StoreFetch::Fetched fetched = fetch->Take();
  store_->CountImported(
      *fetch, ImportFetched(salt, tokens, fetch->checkpoint_blocks(), fetch->ids(), fetched, now),
      now);
}

int64_t KvCache::ImportFetched(const std::string& salt, std::span<const int32_t> tokens,
                               int64_t num_blocks, const std::vector<BlockId>& ids,
                               const StoreFetch::Fetched& fetched, absl::Time now) {
  const int64_t end = num_blocks * kKvBlockTokens, first = layout_.FirstVisibleBlock(end);
  const auto record = DecodeCheckpointRecord(*fetched.record);
  if (!record.has_value() || record->first_block != first ||
      !std::equal(record->locals.begin(), record->locals.end(), ids.begin() + first,
                  ids.begin() + num_blocks))
    return 0;

  const PrefixIndex::Match match = index_.Find(salt, tokens.first(static_cast<size_t>(end)));
  const int64_t resumable = match.resume == nullptr ? 0 : match.resume->num_tokens(),
                known = match.deepest->num_tokens() / kKvBlockTokens,
                first_fetched = num_blocks - static_cast<int64_t>(fetched.globals.size());
  // Computed here meanwhile, or what it was to go on from was forgotten.
  if (resumable == end || known < first_fetched) return 0;
  NamedRoot(salt);
  PrefixIndex::Node* node = match.deepest;
  index_.Enter(node);  // it stays, whatever has to be forgotten to make room
  std::map<int64_t, BlockRef> locals = LocalsAt(node, first, num_blocks);

  struct Task {
    const std::string* payload;
    std::byte* block;
    int64_t first_position;  // below 0: of a local block
  };
  std::vector<Task> tasks;
  std::vector<BlockRef> globals;
  const auto take = [&](BlockPool* pool, const StoreFetch::Payload& payload, int64_t position) {
    BlockRef block = Take(pool, now);
    if (!(block == BlockRef())) tasks.push_back({payload.get(), block.data(), position});
    return block;
  };
  bool complete = true;
  for (int64_t block = known; complete && block < num_blocks; ++block) {
    globals.push_back(take(&global_, fetched.globals[static_cast<size_t>(block - first_fetched)],
                           block * kKvBlockTokens));
    complete = !(globals.back() == BlockRef());
  }
  for (size_t i = 0; complete && i < fetched.locals.size(); ++i) {
    const int64_t block = fetched.wanted.locals[i];
    if (locals.contains(block)) continue;
    BlockRef local = take(&sliding_, fetched.locals[i], -1);
    complete = !(local == BlockRef());
    if (complete) locals.emplace(block, std::move(local));
  }
  complete = complete && static_cast<int64_t>(locals.size()) == num_blocks - first;

  std::atomic<bool> fits = complete;
  const KvCodec& codec = store_->codec();
  if (complete) {
    pool_->For(static_cast<int64_t>(tasks.size()), [&](int64_t i) {
      const Task& task = tasks[static_cast<size_t>(i)];
      const bool decoded = task.first_position < 0
                               ? codec.DecodeLocal(*task.payload, task.block)
                               : codec.DecodeGlobal(*task.payload, task.first_position, task.block);
      if (!decoded) fits = false;
    });
  }
  for (int64_t block = known; fits && block < num_blocks; ++block) {
    const auto own = tokens.subspan(static_cast<size_t>(block * kKvBlockTokens), kKvBlockTokens);
    PrefixIndex::Node* const next =
        index_.Insert(node, own, globals[static_cast<size_t>(block - known)]);
    if (next == nullptr) {
      fits = false;
      break;
    }
    index_.Advance(node, next);
    store_->NameChild(salt, *node, next, own);
    next->store_marks()->global = true;
    node = next;
  }
  if (fits) {
    WindowCheckpoint checkpoint{.first_block = first, .is_branch = record->is_branch};
    for (const auto& [block, local] : locals)
      checkpoint.blocks.push_back(local.For(BlockUse::kIndex));
    index_.SetCheckpoint(node, std::move(checkpoint));
    node->store_marks()->checkpoint = true;
    const PrefixIndex::Node* at = node;
    for (int64_t block = num_blocks - 1; block >= first; --block, at = at->parent())
      at->store_marks()->local = true;
  }
  index_.Leave(node, now, ResumeHint::kNone);
  return fits ? end - resumable : 0;
}

}  // namespace coterie

#include "router/kv/store_link.h"

#include <algorithm>
#include <utility>

#include "ops/process/clock.h"
#include "router/kv/checkpoint_record.h"

namespace coterie {
namespace {

StoreHint HintOf(ResumeHint hint) {
  switch (hint) {
    case ResumeHint::kNone:
      return StoreHint::kNone;
    case ResumeHint::kSoon:
      return StoreHint::kSoon;
    case ResumeHint::kLater:
      return StoreHint::kLater;
    case ResumeHint::kDone:
      return StoreHint::kDone;
  }
  return StoreHint::kNone;
}

}  // namespace

StoreLink::StoreLink(BlockStore* store, const KvCodec* codec, Options options,
                     KvStoreMetrics* metrics)
    : store_(store),
      codec_(codec),
      options_(std::move(options)),
      names_(options_.root_fields, options_.public_prompts),
      metrics_(metrics),
      policy_(options_.policy),
      writer_(store, codec, options_.writer) {
  metrics_->available.Set(1);
}

void StoreLink::NameRoot(const std::string& tenant, PrefixIndex::Node* root) const {
  if (root->store_marks() != nullptr) return;
  root->set_store_marks(std::make_shared<StoreMarks>(StoreMarks{.name = names_.Root(tenant)}));
}

void StoreLink::NameChild(const std::string& tenant, const PrefixIndex::Node& parent,
                          PrefixIndex::Node* child, std::span<const int32_t> tokens) const {
  if (child->store_marks() != nullptr) return;
  child->set_store_marks(std::make_shared<StoreMarks>(
      StoreMarks{.name = names_.Child(tenant, parent.store_marks()->name, tokens)}));
}

std::shared_ptr<StoreFetch> StoreLink::Lookup(const std::string& tenant,
                                              std::span<const int32_t> tokens, bool goes_on) {
  // A lookup asks for two objects a block.
  const size_t num_blocks = std::min(tokens.size() / kKvBlockTokens, BlockStore::kKeysMax / 2);
  if (num_blocks == 0) return nullptr;
  const absl::Time now = MonotonicNow();
  const StoreHealth::Ask ask = health_->MayAsk(now);
  metrics_->available.Set(ask == StoreHealth::Ask::kYes ? 1 : 0);
  if (ask == StoreHealth::Ask::kNo) {
    metrics_->lookup_not_asked.Increment();
    return nullptr;
  }
  std::vector<BlockId> ids;
  ids.reserve(num_blocks);
  ContextNames::Name name = names_.Root(tenant);
  for (size_t block = 0; block < num_blocks; ++block) {
    name = names_.Child(tenant, name, tokens.subspan(block * kKvBlockTokens, kKvBlockTokens));
    ids.push_back(name.id);
  }
  return StoreFetch::Begin(
      store_, {.ids = std::move(ids),
               .repr = codec_->repr(),
               .began = MonotonicNow(),
               .prompt = options_.patience,
               .patience = goes_on ? std::max(options_.patience, options_.patience_to_go_on)
                                   : options_.patience,
               .probe = ask == StoreHealth::Ask::kProbe,
               .bell = bell_,
               .health = health_});
}

void StoreLink::ReadAhead(StoreFetch* fetch, absl::FunctionRef<Need()> need, absl::Time now) {
  if (fetch->state() != StoreFetch::State::kFound) return;
  if (fetch->checkpoint_blocks() == 0) {
    metrics_->lookup_nothing.Increment();
    return fetch->Drop();
  }
  const Need needed = need();
  const int64_t num_bytes =
      static_cast<int64_t>(needed.wanted.globals.size()) * codec_->global_bytes() +
      static_cast<int64_t>(needed.wanted.locals.size()) * codec_->local_bytes();
  const FetchPolicy::Times times = policy_.Compare(num_bytes, needed.num_tokens, now);
  if (needed.num_tokens > 0 && times.worth_it() &&
      *fetching_bytes_ + num_bytes > options_.fetch_bytes)
    return;  // when others are through, if it still waits then
  metrics_->lookup_found.Increment();
  if (needed.num_tokens == 0) return fetch->Drop();
  if (!times.worth_it()) {
    metrics_->tokens_cheaper.Increment(static_cast<double>(needed.num_tokens));
    return fetch->Drop();
  }
  *fetching_bytes_ += num_bytes;
  const auto counter = fetching_bytes_;
  std::shared_ptr<const void> room(nullptr,
                                   [counter, num_bytes](const void*) { *counter -= num_bytes; });
  fetch->Get(store_, {.wanted = needed.wanted,
                      .num_tokens = needed.num_tokens,
                      .room = std::move(room),
                      .began = now,
                      .hold_until = now + policy_.FetchLimit(times),
                      .silence = policy_.SilenceLimit(
                          times, std::max(codec_->global_bytes(), codec_->local_bytes()), now),
                      .deadline = now + std::max(times.compute, policy_.FetchLimit(times))});
}

absl::Time StoreLink::HoldUntil(const StoreFetch& fetch) const {
  const absl::Time answer_until =
      fetch.probe() ? absl::InfinitePast() : fetch.began() + fetch.patience();
  switch (fetch.state()) {
    case StoreFetch::State::kLooking:
      return answer_until;
    case StoreFetch::State::kFetching:
      return fetch.HoldUntil();
    case StoreFetch::State::kFound:
      // An answer may come between the look at it and this.
      return fetch.HasNews() ? answer_until : absl::InfinitePast();
    case StoreFetch::State::kFetched:
    case StoreFetch::State::kOver:
      return absl::InfinitePast();
  }
  return absl::InfinitePast();
}

void StoreLink::NotNeeded(StoreFetch* fetch) {
  metrics_->lookup_not_needed.Increment();
  fetch->Drop();
}

void StoreLink::CountLate(StoreFetch* fetch, absl::Time now) {
  if (fetch->is_late()) return;
  switch (fetch->state()) {
    case StoreFetch::State::kLooking:
      metrics_->lookup_late.Increment();
      if (!fetch->probe()) health_->Failed(StoreHealth::Call::kLookup, now);
      break;
    case StoreFetch::State::kFetching:
      metrics_->tokens_late.Increment(static_cast<double>(fetch->num_tokens()));
      health_->Failed(StoreHealth::Call::kFetch, now);
      // What has come says how slow it is.
      policy_.ObserveFetch(fetch->num_bytes(), now - fetch->get_began(), now);
      break;
    case StoreFetch::State::kFound:
      metrics_->tokens_late.Increment(
          static_cast<double>(fetch->checkpoint_blocks() * kKvBlockTokens));
      break;
    case StoreFetch::State::kFetched:
      break;
    case StoreFetch::State::kOver:
      if (!fetch->failed()) break;
      if (fetch->get_began() == absl::InfinitePast())
        metrics_->lookup_failed.Increment();
      else
        metrics_->tokens_failed.Increment(static_cast<double>(fetch->num_tokens()));
      break;
  }
  fetch->SetLate();
}

void StoreLink::CountImported(const StoreFetch& fetch, int64_t num_tokens, absl::Time now) {
  const absl::Duration took = fetch.last_news() - fetch.get_began();
  metrics_->fetch_seconds.Observe(absl::ToDoubleSeconds(took));
  metrics_->fetched_bytes.Increment(static_cast<double>(fetch.num_bytes()));
  if (num_tokens > 0)
    metrics_->tokens_fetched.Increment(static_cast<double>(num_tokens));
  else
    metrics_->tokens_failed.Increment(static_cast<double>(fetch.num_tokens()));
  // How slow a late one was has been noted.
  if (fetch.is_late()) return;
  policy_.ObserveFetch(fetch.num_bytes(), took, now);
  health_->Answered(StoreHealth::Call::kFetch);
}

bool StoreLink::Offer(KvWriter::Job* job) {
  if (job->items.empty()) return true;
  std::vector<std::pair<std::shared_ptr<StoreMarks>, BlockKind>> offered;
  for (const KvWriter::Item& item : job->items) offered.emplace_back(item.marks, item.key.kind);
  if (!writer_.Offer(job)) {
    metrics_->dropped_by_router.Increment(static_cast<double>(offered.size()));
    return false;
  }
  const absl::Time now = MonotonicNow();
  for (const auto& [marks, kind] : offered) {
    marks->Of(kind) = true;
    if (kind == BlockKind::kGlobal) marks->offered = now;
  }
  return true;
}

bool StoreLink::Write(const std::string& tenant, const PrefixIndex::Node& node) {
  if (node.store_marks()->global) return true;
  const ObjectKey key = KeyOf(node, BlockKind::kGlobal);
  KvWriter::Job job{.tenant = tenant, .num_bytes = codec_->global_bytes()};
  job.items.push_back({.key = key,
                       .parent = node.parent()->parent() == nullptr
                                     ? key
                                     : KeyOf(*node.parent(), BlockKind::kGlobal),
                       .block = node.block().For(BlockUse::kWriter),
                       .marks = node.store_marks()});
  return Offer(&job);
}

bool StoreLink::WriteCheckpoint(const std::string& tenant, const PrefixIndex::Node& node) {
  const WindowCheckpoint& checkpoint = *node.checkpoint();
  if (node.store_marks()->checkpoint) return true;
  KvWriter::Job job{.tenant = tenant};
  CheckpointRecord record{.first_block = checkpoint.first_block, .is_branch = checkpoint.is_branch};
  const PrefixIndex::Node* at = &node;
  for (auto block = checkpoint.blocks.rbegin(); block != checkpoint.blocks.rend(); ++block) {
    record.locals.push_back(at->store_marks()->name.id);
    if (!at->store_marks()->local) {
      job.num_bytes += codec_->local_bytes();
      job.items.push_back({.key = KeyOf(*at, BlockKind::kLocal),
                           .parent = KeyOf(*at, BlockKind::kGlobal),
                           .block = block->For(BlockUse::kWriter),
                           .marks = at->store_marks()});
    }
    at = at->parent();
  }
  std::reverse(record.locals.begin(), record.locals.end());
  std::reverse(job.items.begin(), job.items.end());
  job.items.push_back({.key = KeyOf(node, BlockKind::kCheckpoint),
                       .parent = KeyOf(node, BlockKind::kGlobal),
                       .bytes = EncodeCheckpointRecord(record),
                       .marks = node.store_marks()});
  return Offer(&job);
}

void StoreLink::WriteDropped(const std::string& tenant, const PrefixIndex::Node& node) {
  std::vector<const PrefixIndex::Node*> dropped;
  for (const PrefixIndex::Node* at = &node; at->parent() != nullptr; at = at->parent()) {
    if (!at->store_marks()->global) dropped.push_back(at);
  }
  for (auto at = dropped.rbegin(); at != dropped.rend(); ++at) {
    if (!Write(tenant, **at)) return;
  }
}

void StoreLink::Hint(const PrefixIndex::Node& node, ResumeHint hint) {
  if (hint != ResumeHint::kNone) store_->Hint(KeyOf(node, BlockKind::kCheckpoint), HintOf(hint));
}

void StoreLink::Collect() {
  for (const KvWriter::Done& done : writer_.Collect()) {
    if (done.written) {
      metrics_->WrittenOf(done.kind).Increment();
      metrics_->written_bytes.Increment(static_cast<double>(done.num_bytes));
    } else {
      metrics_->dropped_by_store.Increment();
      done.marks->Of(done.kind) = false;
    }
  }
}

}  // namespace coterie

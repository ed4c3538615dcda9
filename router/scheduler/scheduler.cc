#include "router/scheduler/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "kernels/check.h"

namespace coterie {
namespace {

constexpr int kRankOfLate = std::numeric_limits<int>::max();

}  // namespace

Scheduler::Scheduler(Options options, KvCache* cache)
    : options_(std::move(options)),
      cache_(cache),
      waiting_({.weights = options_.tenant_weights, .promote_after = options_.promote_after}) {}

bool Scheduler::Senior(const Sequence& a, const Sequence& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.number < b.number;
}

void Scheduler::InsertBySeniority(std::vector<SequencePtr>* list, SequencePtr sequence) {
  const auto at = std::find_if(list->begin(), list->end(),
                               [&](const SequencePtr& other) { return Senior(*sequence, *other); });
  list->insert(at, std::move(sequence));
}

int64_t Scheduler::num_waiting() const {
  return static_cast<int64_t>(waiting_.size() + yielded_.size() + held_.size()) + num_siblings_;
}

void Scheduler::Add(SequencePtr sequence) {
  num_siblings_ += static_cast<int64_t>(sequence->siblings.size());
  const QueueTicket ticket = {.tenant = sequence->request.tenant,
                              .priority = sequence->request.priority,
                              .arrived = sequence->arrived};
  waiting_.Push(std::move(sequence), ticket);
}

void Scheduler::ReleaseSiblings(Sequence* sequence) {
  num_siblings_ -= static_cast<int64_t>(sequence->siblings.size());
  for (SequencePtr& sibling : std::exchange(sequence->siblings, {})) Add(std::move(sibling));
}

bool Scheduler::IsLate(const Sequence& sequence, absl::Time now) const {
  const EngineRequest& request = sequence.request;
  const absl::Time since =
      std::max(sequence.last_progress, waiting_.LastProgress(request.tenant, request.priority));
  return now - since >= options_.promote_after;
}

// Besides its own, a block of each kind for those that run, so that it does not push them out with
// their next tokens.
bool Scheduler::FitsNow(const Sequence& sequence) {
  const KvLayout& layout = cache_->layout();
  const int64_t spare =
      num_running() * (layout.sliding_block_bytes() + layout.global_block_bytes());
  return cache_->BytesToStart(sequence.request.tenant, sequence.tokens) + spare <=
         cache_->available_bytes();
}

std::vector<Scheduler::SequencePtr>::iterator Scheduler::NextYielded(absl::Time now) {
  const auto goes_before = [&](const SequencePtr& a, const SequencePtr& b) {
    const bool a_late = IsLate(*a, now), b_late = IsLate(*b, now);
    if (a_late != b_late) return a_late;
    if (a_late || a->rank != b->rank) return Senior(*a, *b);
    const double a_served = waiting_.ServedOf(a->request.tenant),
                 b_served = waiting_.ServedOf(b->request.tenant);
    return a_served != b_served ? a_served < b_served : a->number < b->number;
  };
  return std::min_element(yielded_.begin(), yielded_.end(), goes_before);
}

Sequence* Scheduler::NextToAdmit(absl::Time now, bool* has_yielded) {
  SequencePtr* const next = waiting_.Next(now);
  const auto yielded = NextYielded(now);
  const auto goes_first = [&](const Sequence& a, const Sequence& b) {
    if (IsLate(a, now)) return true;
    if (a.rank != b.rank) return a.rank > b.rank;
    return waiting_.ServedOf(a.request.tenant) <= waiting_.ServedOf(b.request.tenant);
  };
  *has_yielded = yielded != yielded_.end() && (next == nullptr || goes_first(**yielded, **next));
  if (*has_yielded) return yielded->get();
  return next == nullptr ? nullptr : next->get();
}

// Who runs and should give its place to `sequence`, by its index; -1: nobody. The most junior of
// the most served tenant that has been served more than the other and, for its weight, will still
// hold no fewer places than the other then: so places move to where they even out, and never back.
int64_t Scheduler::WhoHoldsTooMuchFor(const Sequence& sequence) const {
  std::map<std::string, int64_t> places;
  for (const SequencePtr& running : running_) ++places[running->request.tenant];
  const auto share = [&](const std::string& tenant, int64_t change) {
    return static_cast<double>(places[tenant] + change) / waiting_.WeightOf(tenant);
  };
  const std::string& own = sequence.request.tenant;
  double most = waiting_.ServedOf(own);
  int64_t found = -1;
  for (int64_t i = num_running() - 1; i >= 0; --i) {
    const Sequence& running = *running_[static_cast<size_t>(i)];
    const double served = waiting_.ServedOf(running.request.tenant);
    if (running.rank > sequence.rank || served <= most) continue;
    if (share(running.request.tenant, -1) < share(own, 1)) continue;
    most = served;
    found = i;
  }
  return found;
}

// True when there is room now. Lower priorities give theirs up, and tenants that have more than
// their share.
bool Scheduler::MakePlaceFor(const Sequence& sequence, absl::Time now) {
  for (;;) {
    if (running_.empty()) return true;
    if (num_running() < options_.max_sequences && FitsNow(sequence)) return true;
    int64_t gives = num_running() - 1;
    if (running_.back()->rank >= sequence.rank) gives = WhoHoldsTooMuchFor(sequence);
    if (gives < 0) return false;
    Yield(static_cast<size_t>(gives), now);
  }
}

void Scheduler::ReadAhead(absl::Time now) {
  if (cache_->store() == nullptr) return;
  waiting_.ForEach([&](SequencePtr& sequence) {
    if (sequence->store_fetch != nullptr)
      cache_->ReadAhead(sequence->request.tenant, sequence->tokens, sequence->store_fetch.get(),
                        now);
  });
  std::erase_if(held_, [&](SequencePtr& sequence) {
    if (AwaitsStore(sequence.get(), now)) return false;
    InsertBySeniority(&yielded_, std::move(sequence));
    return true;
  });
  for (size_t i = running_.size(); i-- > 0;) {
    if (running_[i]->late_fetch != nullptr) TakeUpLate(i, now);
  }
}

// What comes from the store in the midst of a prompt: the sequence starts anew with it, if that
// saves a step at least and there is room for it beside all that is held.
void Scheduler::TakeUpLate(size_t index, absl::Time now) {
  Sequence& sequence = *running_[index];
  StoreFetch& fetch = *sequence.late_fetch;
  const std::string& tenant = sequence.request.tenant;
  const int64_t computed = sequence.kv->num_tokens();
  const bool is_known = fetch.state() != StoreFetch::State::kLooking;
  if (sequence.num_pending() <= options_.prefill_chunk ||
      (is_known &&
       fetch.checkpoint_blocks() * kKvBlockTokens - computed < options_.prefill_chunk)) {
    fetch.Drop();
  } else {
    cache_->ReadAhead(tenant, sequence.tokens, &fetch, now);
  }
  const StoreFetch::State state = fetch.state();
  if (state == StoreFetch::State::kOver) {
    sequence.late_fetch = nullptr;
  } else if (state == StoreFetch::State::kFetched &&
             cache_->BytesToImport(tenant, sequence.tokens, fetch) <= cache_->available_bytes()) {
    sequence.store_fetch = std::move(sequence.late_fetch);
    Start(TakeOut(index, now), false, now);
    const int64_t gained = sequence.kv->num_resumed() - computed;
    if (gained > 0 && sequence.prefilled == absl::InfinitePast())
      sequence.num_cached = std::min(sequence.num_cached + gained, sequence.num_prompt());
  }
}

bool Scheduler::AwaitsStore(Sequence* sequence, absl::Time now) {
  if (cache_->store() == nullptr) return false;
  // What it had computed may have been forgotten since it yielded, and be in the store.
  const int64_t had = std::exchange(sequence->num_yielded_tokens, 0);
  if (had - kKvBlockTokens > cache_->NumResumable(sequence->request.tenant, sequence->tokens)) {
    if (sequence->store_fetch != nullptr)
      sequence->store_fetch->Drop();  // it was to go on from that
    sequence->store_fetch = cache_->Lookup(sequence->request.tenant, sequence->tokens, false);
  }
  return sequence->store_fetch != nullptr &&
         cache_->ReadAhead(sequence->request.tenant, sequence->tokens, sequence->store_fetch.get(),
                           now) > now;
}

absl::Time Scheduler::HeldUntil() const {
  absl::Time until = absl::InfiniteFuture();
  for (const SequencePtr& sequence : held_)
    until = std::min(until, cache_->store()->HoldUntil(*sequence->store_fetch));
  return until;
}

void Scheduler::Admit(absl::Time now) {
  ReadAhead(now);
  bool has_yielded = false;
  while (const Sequence* next = NextToAdmit(now, &has_yielded)) {
    if (!MakePlaceFor(*next, now)) return;
    // To make place may have changed who is first.
    const Sequence* const first = NextToAdmit(now, &has_yielded);
    if (first != next) continue;
    if (!has_yielded) {
      const bool late = waiting_.NextIsLate(now);
      Start(waiting_.Take(now), late, now);
      continue;
    }
    const auto yielded = NextYielded(now);
    SequencePtr sequence = std::move(*yielded);
    yielded_.erase(yielded);
    const bool late = IsLate(*sequence, now);
    Start(std::move(sequence), late, now);
  }
}

void Scheduler::Start(SequencePtr sequence, bool late, absl::Time now) {
  if (AwaitsStore(sequence.get(), now)) {
    held_.push_back(std::move(sequence));
    return;
  }
  const std::shared_ptr<StoreFetch> fetch = std::exchange(sequence->store_fetch, nullptr);
  if (fetch != nullptr)
    cache_->Import(sequence->request.tenant, sequence->tokens, fetch.get(), now);
  sequence->kv = cache_->Start(sequence->request.tenant, sequence->tokens);
  // The store knows more of this context than can be resumed from.
  if (fetch != nullptr) sequence->kv->ExpectBranchAt(fetch->matched_blocks() * kKvBlockTokens);
  // The same prompt again, one that parts from it in the last block, and one that goes on from it.
  // The second costs one sliding block: the checkpoints share the others.
  sequence->kv->ExpectResumeAt(sequence->num_prompt() - 1);
  sequence->kv->ExpectResumeAt(sequence->num_prompt() - 1 - kKvBlockTokens);
  sequence->kv->ExpectResumeAt(sequence->request.stable_tokens);
  if (sequence->started == absl::InfinitePast()) {
    sequence->started = now;
    sequence->num_cached = std::min(sequence->kv->num_resumed(), sequence->num_prompt());
  }
  if (fetch != nullptr && fetch->state() != StoreFetch::State::kOver) sequence->late_fetch = fetch;
  if (late) Promote(sequence.get(), now);
  InsertBySeniority(&running_, std::move(sequence));
}

void Scheduler::Promote(Sequence* sequence, absl::Time now) const {
  sequence->rank = kRankOfLate;
  sequence->rank_until = now + options_.promote_after;
}

// A prompt that others keep out of the steps is late too, and who was late has had its turn.
void Scheduler::Rerank(absl::Time now) {
  bool changed = false;
  for (const SequencePtr& sequence : running_) {
    if (now >= sequence->rank_until) {
      sequence->rank = sequence->request.priority;
      sequence->rank_until = absl::InfiniteFuture();
      changed = true;
    } else if (sequence->rank != kRankOfLate && IsLate(*sequence, now)) {
      Promote(sequence.get(), now);
      changed = true;
    }
  }
  if (!changed) return;
  std::stable_sort(running_.begin(), running_.end(),
                   [](const SequencePtr& a, const SequencePtr& b) { return Senior(*a, *b); });
}

// One that runs leaves its context to the cache.
Scheduler::SequencePtr Scheduler::TakeOut(size_t index, absl::Time now) {
  SequencePtr sequence = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
  sequence->kv->Finish(now, ResumeHint::kSoon);
  sequence->kv.reset();
  return sequence;
}

// It gives its place and its blocks up.
void Scheduler::Yield(size_t index, absl::Time now) {
  const int64_t computed = running_[index]->kv->num_tokens();
  SequencePtr sequence = TakeOut(index, now);
  sequence->num_yielded_tokens = computed;
  // What is on its way and more than that comes in time now. Else it is looked up again.
  if (const auto late = std::exchange(sequence->late_fetch, nullptr); late != nullptr) {
    const StoreFetch::State state = late->state();
    if ((state == StoreFetch::State::kFetching || state == StoreFetch::State::kFetched) &&
        late->checkpoint_blocks() * kKvBlockTokens > computed) {
      sequence->store_fetch = late;
    } else {
      late->Drop();
    }
  }
  ++num_yields_;
  InsertBySeniority(&yielded_, std::move(sequence));
}

// False when `sequence` itself was the one to yield.
bool Scheduler::GrowOrYield(Sequence* sequence, int64_t end, absl::Time now) {
  while (!sequence->kv->Grow(end, now)) {
    CHECK_GT(num_running(), 1) << "a sequence alone does not fit; Submit should have refused it";
    const bool is_last = running_.back().get() == sequence;
    Yield(running_.size() - 1, now);
    if (is_last) return false;
  }
  return true;
}

// Shares the rows of prompts out. The most senior has some in every step, so that the oldest is
// never kept from its end.
void Scheduler::GrantPromptRows() {
  granted_.assign(running_.size(), 0);
  std::vector<size_t> order;
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i]->num_pending() > 1) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (running_[a]->rank != running_[b]->rank) return running_[a]->rank > running_[b]->rank;
    return waiting_.ServedOf(running_[a]->request.tenant) <
           waiting_.ServedOf(running_[b]->request.tenant);
  });
  int64_t left = options_.prefill_chunk;
  const auto grant = [&](size_t i, int64_t most) {
    const int64_t rows = std::min({most, left, running_[i]->num_pending() - granted_[i]});
    granted_[i] += rows;
    left -= rows;
  };
  if (!order.empty() && running_.front()->num_pending() > 1)
    grant(0, std::max<int64_t>(1, options_.prefill_chunk / 16));
  for (const size_t i : order) grant(i, left);
}

const std::vector<Scheduler::Part>& Scheduler::Plan(absl::Time now) {
  parts_.clear();
  Rerank(now);
  GrantPromptRows();
  // Only those behind yield, so what is planned stays planned.
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence* const sequence = running_[i].get();
    const int64_t pending = sequence->num_pending(), begin = sequence->kv->num_tokens();
    const int64_t rows = pending == 1 ? 1 : granted_[i];
    if (rows == 0) continue;
    if (!GrowOrYield(sequence, begin + rows, now)) break;
    parts_.push_back({sequence, begin, begin + rows});
  }
  return parts_;
}

void Scheduler::Computed(const Part& part, absl::Time now) {
  part.sequence->last_progress = now;
  part.sequence->kv->Commit(part.sequence->tokens, part.end);
  const EngineRequest& request = part.sequence->request;
  waiting_.Charge(request.tenant, part.end - part.begin);
  waiting_.Progressed(request.tenant, request.priority, now);
}

void Scheduler::RemoveIf(absl::FunctionRef<bool(Sequence&)> leaves, absl::Time now) {
  std::vector<SequencePtr> orphans;
  const auto adopt = [&](Sequence& sequence) {
    num_siblings_ -= static_cast<int64_t>(sequence.siblings.size());
    for (SequencePtr& sibling : std::exchange(sequence.siblings, {}))
      orphans.push_back(std::move(sibling));
  };
  for (std::vector<SequencePtr>* list : {&running_, &yielded_, &held_}) {
    std::erase_if(*list, [&](SequencePtr& sequence) {
      if (!leaves(*sequence)) return false;
      if (sequence->kv != nullptr) sequence->kv->Finish(now, sequence->request.resume_hint);
      adopt(*sequence);
      waiting_.Leave(sequence->request.tenant);
      return true;
    });
  }
  waiting_.RemoveIf([&](SequencePtr& sequence) {
    if (!leaves(*sequence)) return false;
    adopt(*sequence);
    return true;
  });
  for (SequencePtr& orphan : orphans) {
    if (!leaves(*orphan)) Add(std::move(orphan));
  }
}

}  // namespace coterie

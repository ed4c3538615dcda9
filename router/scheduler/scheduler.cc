#include "router/scheduler/scheduler.h"

#include <algorithm>
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

// Besides its own, a block of each kind for those that run, so that it does not push them out with
// their next tokens.
bool Scheduler::FitsNow(const Sequence& sequence) {
  const KvLayout& layout = cache_->layout();
  const int64_t spare =
      num_running() * (layout.sliding_block_bytes() + layout.global_block_bytes());
  return cache_->BytesToStart(sequence.request.tenant, sequence.tokens) + spare <=
         cache_->available_bytes();
}

Sequence* Scheduler::NextToAdmit(absl::Time now, bool* has_yielded) {
  SequencePtr* const next = waiting_.Next(now);
  *has_yielded = !yielded_.empty() && (next == nullptr || yielded_.front()->rank >= (*next)->rank ||
                                       IsLate(*yielded_.front(), now));
  if (*has_yielded) return yielded_.front().get();
  return next == nullptr ? nullptr : next->get();
}

// True when there is room now. Lower priorities give theirs up.
bool Scheduler::MakePlaceFor(const Sequence& sequence, absl::Time now) {
  for (;;) {
    if (running_.empty()) return true;
    if (num_running() < options_.max_sequences && FitsNow(sequence)) return true;
    if (running_.back()->rank >= sequence.rank) return false;
    Yield(now);
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
}

bool Scheduler::AwaitsStore(Sequence* sequence, absl::Time now) {
  if (cache_->store() == nullptr) return false;
  // What it had computed may have been forgotten since it yielded, and be in the store.
  const int64_t had = std::exchange(sequence->num_yielded_tokens, 0);
  if (had - kKvBlockTokens > cache_->NumResumable(sequence->request.tenant, sequence->tokens))
    sequence->store_fetch = cache_->Lookup(sequence->request.tenant, sequence->tokens);
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
      Start(waiting_.Take(now), now);
      continue;
    }
    SequencePtr sequence = std::move(yielded_.front());
    yielded_.erase(yielded_.begin());
    Start(std::move(sequence), now);
  }
}

void Scheduler::Start(SequencePtr sequence, absl::Time now) {
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
  if (IsLate(*sequence, now)) Promote(sequence.get(), now);
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

// The most junior gives its place and its blocks up.
void Scheduler::Yield(absl::Time now) {
  SequencePtr sequence = std::move(running_.back());
  running_.pop_back();
  sequence->num_yielded_tokens = sequence->kv->num_tokens();
  sequence->kv->Finish(now, ResumeHint::kSoon);
  sequence->kv.reset();
  ++num_yields_;
  InsertBySeniority(&yielded_, std::move(sequence));
}

// False when `sequence` itself was the one to yield.
bool Scheduler::GrowOrYield(Sequence* sequence, int64_t end, absl::Time now) {
  while (!sequence->kv->Grow(end, now)) {
    CHECK_GT(num_running(), 1) << "a sequence alone does not fit; Submit should have refused it";
    const bool is_last = running_.back().get() == sequence;
    Yield(now);
    if (is_last) return false;
  }
  return true;
}

const std::vector<Scheduler::Part>& Scheduler::Plan(absl::Time now) {
  parts_.clear();
  Rerank(now);
  int64_t prefill_left = options_.prefill_chunk;
  // Only those behind yield, so what is planned stays planned.
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence* const sequence = running_[i].get();
    const int64_t pending = sequence->num_pending(), begin = sequence->kv->num_tokens();
    const int64_t rows = pending == 1 ? 1 : std::min(pending, prefill_left);
    if (rows == 0) continue;
    if (!GrowOrYield(sequence, begin + rows, now)) break;
    if (pending > 1) prefill_left -= rows;
    parts_.push_back({sequence, begin, begin + rows});
  }
  return parts_;
}

void Scheduler::Computed(const Part& part, absl::Time now) {
  part.sequence->last_progress = now;
  part.sequence->kv->Commit(part.sequence->tokens, part.end);
  waiting_.Charge(part.sequence->request.tenant, part.end - part.begin);
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

// Scheduler: who is in the next step, who waits, who yields. Pure bookkeeping over the KV cache: no
// threads, no clock of its own, no model.
//
// A step has one row for every sequence in decode, and up to `prefill_chunk` rows of prompts: those
// of the highest priority first, among them those of the least served tenant, a quarter kept for
// the most senior. Seniority is priority, then order of arrival. When memory runs out the most
// junior yields: its blocks go to the prefix index, and it resumes, with the same tokens, when
// there is room again. Waiting sequences are admitted in the order of FairQueue, those of a tenant
// that have yielded before its others. One of higher priority takes the place of a lower one; one
// of a tenant that has been served less, and holds fewer places, that of a tenant with more. One
// that has not been in a step for `promote_after`, nor any of its tenant and priority, goes before
// all for as long.
//
// One whose context is on its way from a store is held back for a moment when it could start, and
// others go before it (KvCache::ReadAhead).
//
// Requires: one owner thread. Guarantees: the most senior sequence is in every step, so that every
// step makes progress; one that was added leaves by RemoveIf only.
#ifndef COTERIE_ROUTER_SCHEDULER_SCHEDULER_H_
#define COTERIE_ROUTER_SCHEDULER_SCHEDULER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "router/engine/sequence.h"
#include "router/kv/kv_cache.h"
#include "router/scheduler/fair_queue.h"

namespace coterie {

class Scheduler {
 public:
  using SequencePtr = std::unique_ptr<Sequence>;

  struct Options {
    int64_t max_sequences = 16;  // in prefill or decode at once
    int64_t prefill_chunk = 512;
    std::map<std::string, double> tenant_weights;
    absl::Duration promote_after = absl::Seconds(30);
  };
  // What of a sequence is in a step: positions [begin, end).
  struct Part {
    Sequence* sequence;
    int64_t begin;
    int64_t end;
  };

  // cache: not owned, outlives this.
  Scheduler(Options options, KvCache* cache);

  void Add(SequencePtr sequence);
  // Takes in those who wait, as long as there is place and memory. At least one when none runs.
  void Admit(absl::Time now);
  // The next step: valid until the next call of anything. Blocks are there for every part.
  const std::vector<Part>& Plan(absl::Time now);
  // The step of `parts` was computed: its blocks become known, its tokens are charged.
  void Computed(const Part& part, absl::Time now);
  // A prompt is computed: its siblings find it in the cache.
  void ReleaseSiblings(Sequence* sequence);
  // leaves(sequence): true for one that is finished with. Its context is left to the index.
  void RemoveIf(absl::FunctionRef<bool(Sequence&)> leaves, absl::Time now);

  const std::vector<SequencePtr>& running() const { return running_; }
  bool empty() const { return running_.empty() && num_waiting() == 0; }
  int64_t num_running() const { return static_cast<int64_t>(running_.size()); }
  int64_t num_waiting() const;  // those that have yielded and siblings included
  int64_t num_yields() const { return num_yields_; }
  // When the next of those that could start, and are held back for what a store has of them, is not
  // any longer; InfiniteFuture: there is none.
  absl::Time HeldUntil() const;

 private:
  static bool Senior(const Sequence& a, const Sequence& b);
  static void InsertBySeniority(std::vector<SequencePtr>* list, SequencePtr sequence);
  bool IsLate(const Sequence& sequence, absl::Time now) const;
  bool FitsNow(const Sequence& sequence);
  // Who is next among those who have yielded; yielded_.end() when there is none.
  std::vector<SequencePtr>::iterator NextYielded(absl::Time now);
  Sequence* NextToAdmit(absl::Time now, bool* has_yielded);
  int64_t WhoHoldsTooMuchFor(const Sequence& sequence) const;
  bool MakePlaceFor(const Sequence& sequence, absl::Time now);
  void Start(SequencePtr sequence, bool late, absl::Time now);
  // Those who wait have what the store has of them fetched meanwhile, and those who run what was
  // late.
  void ReadAhead(absl::Time now);
  bool AwaitsStore(Sequence* sequence, absl::Time now);
  void TakeUpLate(size_t index, absl::Time now);
  void Promote(Sequence* sequence, absl::Time now) const;
  void Rerank(absl::Time now);
  SequencePtr TakeOut(size_t index, absl::Time now);
  void Yield(size_t index, absl::Time now);
  void GrantPromptRows();
  bool GrowOrYield(Sequence* sequence, int64_t end, absl::Time now);

  const Options options_;
  KvCache* const cache_;
  FairQueue<SequencePtr> waiting_;
  std::vector<SequencePtr> yielded_, running_;  // most senior first
  std::vector<SequencePtr> held_;               // could start, and wait for the store
  std::vector<Part> parts_;
  std::vector<int64_t> granted_;  // rows of prompts in the next step, by index in running_
  int64_t num_siblings_ = 0;
  int64_t num_yields_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_SCHEDULER_SCHEDULER_H_

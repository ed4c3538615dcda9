// OutageWait: steps fail for want of an expert that no connected worker holds; requests wait for it
// meanwhile, this long at most.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_ENGINE_OUTAGE_WAIT_H_
#define COTERIE_ROUTER_ENGINE_OUTAGE_WAIT_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "ops/process/clock.h"
#include "router/experts/expert_outage.h"
#include "router/experts/worker_set.h"

namespace coterie {

class OutageWait {
 public:
  // workers: not owned, outlives this.
  OutageWait(WorkerSet* workers, absl::Duration at_most) : workers_(workers), at_most_(at_most) {}

  // A step failed for want of `expert`. Waits a little: the placement may not show it, and the step
  // will be run again.
  void Begin(ExpertId expert, absl::Status status);
  // A step was computed, or nobody waits any more.
  void End();
  // The time waited since the last call.
  absl::Duration TakeWaited() { return std::exchange(waited_, absl::ZeroDuration()); }

  bool under_way() const { return since_ != absl::InfinitePast(); }
  // Under way, and the expert is still away. Waits a little for a worker to come back.
  bool Lasts();
  // Those who wait have waited long enough.
  bool IsOver() const { return MonotonicNow() - since_ >= at_most_; }
  // Who is missing, and why.
  const absl::Status& status() const { return status_; }

 private:
  WorkerSet* const workers_;
  const absl::Duration at_most_;
  void WaitForChange(uint64_t seen);

  ExpertId expert_;
  absl::Status status_;
  absl::Duration waited_;
  absl::Time since_ = absl::InfinitePast();
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_OUTAGE_WAIT_H_

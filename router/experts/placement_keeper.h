// PlacementKeeper: looks at the workers once a second and, where this router is the one that plans,
// has experts moved: copies that are missing, workers that leave or join, load that has become
// uneven.
//
// Of several routers one plans: the one to which the first worker (by address) has granted its
// lease, and then all others theirs. It moves nothing on a worker whose lease it does not have, and
// drops nothing but what stays on workers whose lease it has, so two that disagree do no harm. Its
// leases end a few seconds after its last word.
//
// Thread-safe; it has a thread of its own.
#ifndef COTERIE_ROUTER_EXPERTS_PLACEMENT_KEEPER_H_
#define COTERIE_ROUTER_EXPERTS_PLACEMENT_KEEPER_H_

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "router/experts/load_history.h"
#include "router/experts/placement_metrics.h"
#include "router/experts/placement_plan.h"
#include "router/experts/rebalancer.h"
#include "router/experts/worker_calls.h"
#include "router/experts/worker_set.h"
#include "router/experts/worker_speed.h"

namespace coterie {

class PlacementKeeper {
 public:
  struct Options {
    WorkerCalls::Options calls;
    Rebalancer::Options rebalancer;
    absl::Duration period = absl::Seconds(1);
    absl::Duration lease = absl::Seconds(5);
    // A worker that has not answered for so long gets its experts' copies replaced; sooner, a
    // restart would move what is back in a moment.
    absl::Duration replace_after = absl::Seconds(5);
    absl::Duration load_half_life = absl::Minutes(1);
    int64_t min_workers = 1;  // before so many were seen nothing is moved
  };

  // workers and metrics: not owned, outlive this.
  PlacementKeeper(Options options, WorkerSet* workers, PlacementMetrics* metrics);
  // Waits for calls under way, some seconds at most.
  ~PlacementKeeper();

 private:
  // What a worker last said.
  struct Known {
    PlannedWorker planned;
    std::string instance;
    WorkerSpeed speed;
    absl::Time seen = absl::InfinitePast();
    bool is_ours = false;  // in this look
  };

  void Run();
  bool Look();
  bool LeaseAll(absl::Time now);
  void Hear(int worker, const v1::WorkerDescription& description, absl::Time now);
  bool MoveOnce(absl::Time now);
  bool Order(const Rebalancer::Round& round, const std::vector<int>& workers);
  std::string BitmapOf(const std::vector<int64_t>& experts) const;
  void SetPlanning(bool planning);

  const Options options_;
  WorkerSet* const workers_;
  PlacementMetrics* const metrics_;

  // The thread's own.
  WorkerCalls calls_;
  LoadHistory history_;
  Rebalancer rebalancer_;
  std::map<int, Known> known_;  // by the worker's index
  bool planning_ = false, begun_ = false;
  absl::Time stand_back_until_ = absl::InfinitePast();
  std::minstd_rand rng_;

  std::mutex mu_;
  std::condition_variable stopped_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_PLACEMENT_KEEPER_H_

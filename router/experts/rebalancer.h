// Rebalancer: what a planner has workers load and drop next, from who they are and what they hold
// now. First every expert gets its copies, at once; then load that has become uneven is evened out,
// within a budget of bytes a minute. Asked again after every answer. A plan that evens out is kept
// until it is carried out, or until somebody joins, leaves or lacks a copy: halfway, what was moved
// would look like what is to be moved back.
//
// Thread-compatible. No I/O, no clock of its own.
#ifndef COTERIE_ROUTER_EXPERTS_REBALANCER_H_
#define COTERIE_ROUTER_EXPERTS_REBALANCER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "router/experts/move_plan.h"
#include "router/experts/placement_plan.h"

namespace coterie {

class Rebalancer {
 public:
  struct Options {
    PlacementGoal goal;
    int64_t expert_bytes = 1;
    int64_t even_bytes_per_minute = int64_t{2} << 30;
    // What one worker is told to load at once; it holds up the next look at the cluster.
    int64_t round_bytes = int64_t{128} << 20;
  };
  struct Worker {
    int id = 0;  // the same at every call
    PlannedWorker planned;
    bool is_ours = false;  // MovingWorker
  };
  struct Round {
    std::vector<WorkerMoves> moves;  // [workers]
    bool is_evening = false;         // else copies are missing, or a worker leaves
    int64_t num_uncovered = 0;       // experts for which there is no room at all
    bool empty() const;
    int64_t num_loads() const;
  };

  explicit Rebalancer(Options options);

  // load: as PlanPlacement. Loads to even out count against the budget as soon as they are named.
  Round Next(std::span<const Worker> workers, std::span<const double> load, absl::Time now);

 private:
  PlacementPlan Plan(std::span<const Worker> workers, std::span<const double> load,
                     bool even) const;
  bool KeepsCopies(const PlacementPlan& evening, const PlacementPlan& covered) const;
  bool IsOfThese(std::span<const Worker> workers) const;
  void Afford(Round* round);
  std::vector<WorkerMoves> MovesTo(const PlacementPlan& plan,
                                   std::span<const Worker> workers) const;
  void RefillBudget(absl::Time now);

  const Options options_;
  double budget_bytes_;
  absl::Time refilled_ = absl::InfinitePast();
  std::vector<Worker> evened_;            // whom evening_ is for, as they were
  std::optional<PlacementPlan> evening_;  // not carried out yet
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_REBALANCER_H_

// PlanPlacement: which experts each worker shall hold, from what they hold now, what they have room
// for, how quick they are, and how many rows each expert gets. A pure function; nothing moves here.
//
// In this order: no worker beyond its memory; every expert has a copy; every expert has `copies`,
// on different workers, in different failure domains where there are enough; rows of each layer are
// even among the workers for their speed; as little as possible moves. A layer is left alone while
// it is even enough, so that loads which wander do not make experts wander.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_EXPERTS_PLACEMENT_PLAN_H_
#define COTERIE_ROUTER_EXPERTS_PLACEMENT_PLAN_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "expert_worker/shard.h"

namespace coterie {

struct PlannedWorker {
  Shard held;            // now
  int64_t capacity = 0;  // experts that there is memory for
  double speed = 1;      // rows it computes in the time in which others compute theirs
  std::string domain;    // what fails together: a machine, a rack; empty: alone
  bool leaving = false;  // drains: shall hold nothing
};

struct PlacementGoal {
  int64_t num_layers = 0;
  int64_t num_experts = 0;
  int64_t copies = 2;
  // The busiest worker of a layer, relative to the mean: above the first a layer is evened out,
  // until it is below the second.
  double skew_max = 1.15;
  double skew_wanted = 1.05;
};

struct PlacementPlan {
  std::vector<Shard> shards;  // [workers]
  int64_t num_uncovered = 0;  // experts for which there was no room at all
};

// load: [num_layers * num_experts] rows of each expert, in any unit; all zero: even.
PlacementPlan PlanPlacement(std::span<const PlannedWorker> workers, std::span<const double> load,
                            const PlacementGoal& goal);

// The busiest worker of `layer` relative to the mean, each for its speed, when every expert's rows
// are split among its copies as well as can be. 1: even. Leaving workers do not count.
double LayerSkew(std::span<const Shard> shards, std::span<const PlannedWorker> workers,
                 std::span<const double> load, int64_t layer, int64_t num_experts);

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_PLACEMENT_PLAN_H_

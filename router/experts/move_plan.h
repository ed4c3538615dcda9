// NextMoves: the first steps from what workers hold to what a plan wants them to hold, such that no
// expert loses a copy that it needs on the way: an expert is loaded somewhere before it is dropped
// elsewhere. A pure function; after each step it is asked again.
#ifndef COTERIE_ROUTER_EXPERTS_MOVE_PLAN_H_
#define COTERIE_ROUTER_EXPERTS_MOVE_PLAN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "expert_worker/shard.h"

namespace coterie {

struct MovingWorker {
  Shard held;            // now
  Shard wanted;          // by the plan
  int64_t capacity = 0;  // experts
  // The planner holds its lease, and its link is up: it can be told to move, and nobody else makes
  // it drop what it holds.
  bool is_ours = false;
};

struct WorkerMoves {
  std::vector<int64_t> load, drop;  // layer * num_experts + expert

  bool empty() const { return load.empty() && drop.empty(); }
};

// One entry for each worker. At most `loads_max` loads a worker, those first that have fewest
// copies. A drop leaves at least one copy, and as many as the plan wants up to `copies`, on workers
// that are ours and are to keep theirs.
std::vector<WorkerMoves> NextMoves(std::span<const MovingWorker> workers, int64_t num_layers,
                                   int64_t num_experts, int64_t copies, int64_t loads_max);

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_MOVE_PLAN_H_

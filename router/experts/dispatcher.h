// Dispatcher: one layer's rows out to the workers that hold their experts, and the outputs back in
// the order of the routing.
//
//   RETURN_IF_ERROR(dispatcher.Send(layer, trunk.expert_input(), trunk.routing()));
//   trunk.DenseMlp(layer);                                  // while the rows are away
//   ASSIGN_OR_RETURN(Tensor rows, dispatcher.Collect());
//
// A worker that is lost fails the layer with Unavailable naming it; the other workers' answers are
// still taken, so the next step starts clean. Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_EXPERTS_DISPATCHER_H_
#define COTERIE_ROUTER_EXPERTS_DISPATCHER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/parallel.h"
#include "model/trunk.h"
#include "router/experts/expert_load.h"
#include "router/experts/worker_set.h"
#include "router/metrics.h"

namespace coterie {

class Dispatcher {
 public:
  // None of the pointers is owned; all outlive this. `timeout` bounds the wait for one layer.
  Dispatcher(WorkerSet* workers, absl::Duration timeout, RouterMetrics* metrics, ExpertLoad* load,
             Parallel* pool);

  // Unavailable: an expert has no home, or a worker is lost. rows and routing stay as they are
  // until Collect.
  absl::Status Send(int64_t layer, const EncodedRows& rows, const Routing& routing);
  // [num_rows * top_k, num_cols] f32, valid until the next Send.
  absl::StatusOr<Tensor> Collect();

 private:
  // What goes to one worker, and where its answers belong.
  struct Outgoing {
    DispatchBatch batch;
    std::vector<int32_t> pair_slot;  // index into the routing, for each pair
    std::vector<int32_t> row_of;     // [rows of the step] index into batch.rows, or -1
    uint64_t id = 0;
    bool under_way = false;
  };

  void Group(int64_t layer, const Placement& placement, const EncodedRows& rows,
             const Routing& routing);
  absl::Status CollectFrom(int worker, absl::Time deadline);

  WorkerSet* const workers_;
  const absl::Duration timeout_;
  RouterMetrics* const metrics_;
  ExpertLoad* const load_;
  Parallel* const pool_;
  std::vector<Outgoing> outgoing_;  // [workers]
  int64_t num_cols_ = 0;
  int64_t num_slots_ = 0;
  Buffer collected_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_DISPATCHER_H_

// Dispatcher: one layer's rows out to workers that hold their experts, and the outputs back in the
// order of the routing, whoever dies meanwhile.
//
//   RETURN_IF_ERROR(dispatcher.Send(layer, trunk.expert_input(), trunk.routing()));
//   trunk.DenseMlp(layer);                                  // while the rows are away
//   ASSIGN_OR_RETURN(Tensor rows, dispatcher.Collect());
//
// The one place that retries. Rows of a dispatch that failed go to another copy of their experts at
// once; rows whose answer is overdue go to another copy too, and whichever answer comes first is
// taken: outputs do not depend on who computed them. An answer to what is not wanted any more is
// dropped. When no copy is left the layer fails with ExpertOutage, and the step may be run again.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_EXPERTS_DISPATCHER_H_
#define COTERIE_ROUTER_EXPERTS_DISPATCHER_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "expert_worker/channel/expert_load.h"
#include "kernels/parallel.h"
#include "model/trunk.h"
#include "router/experts/copy_choice.h"
#include "router/experts/late_answers.h"
#include "router/experts/worker_set.h"
#include "router/metrics.h"

namespace coterie {

class Dispatcher {
 public:
  // None of the pointers is owned; all outlive this. `timeout`: a worker that has not answered a
  // dispatch by then hangs, and its link is made anew.
  Dispatcher(WorkerSet* workers, absl::Duration timeout, RouterMetrics* metrics, ExpertLoad* load,
             Parallel* pool);

  // rows and what routing points to stay as they are until Collect has returned. ExpertOutage:
  // nobody holds one of the experts. Internal: an activation is not finite.
  absl::Status Send(int64_t layer, const EncodedRows& rows, const Routing& routing);
  // [num_rows * top_k, num_cols] f32, valid until the next Send. ExpertOutage; DataLoss,
  // ResourceExhausted: answers were wrong, or refused, again and again.
  absl::StatusOr<Tensor> Collect();

 private:
  using Clock = DispatchInbox::Clock;

  // What was sent to one worker and has not been answered. A *slot* is one (row, expert) pair of
  // the routing, and its place in the output.
  struct Flight {
    int worker = 0;
    uint64_t id = 0;
    std::vector<int32_t> slots;  // in the order of the pairs
    double cost = 0;
    Clock::time_point sent, overdue;
    bool is_overdue = false, is_hedged = false;
  };

  void FitWorkers();
  absl::Status SendSlots(std::vector<int32_t> slots);
  absl::Status ChooseWorkers(std::span<const int32_t> slots);
  std::span<const double> Slowness();
  absl::Status SendTo(int worker, const std::vector<int32_t>& slots);
  absl::Status Take(const DispatchEnd& end);
  absl::Status TakeOutputs(const Flight& flight, const DispatchEnd& end);
  absl::Status Resend(const Flight& flight, const absl::Status& reason);
  absl::Status NoteFailure(int worker, const absl::Status& reason);
  absl::Status HandleOverdue(Clock::time_point now);
  void Abandon();
  Clock::time_point NextTimer() const;

  WorkerSet* const workers_;
  const Clock::duration timeout_;
  RouterMetrics* const metrics_;
  ExpertLoad* const load_;
  Parallel* const pool_;

  // Of the layer in hand.
  int64_t layer_ = 0;
  const EncodedRows* rows_ = nullptr;
  Routing routing_;
  int64_t top_k_ = 0;
  int64_t num_slots_ = 0, num_open_ = 0;
  Clock::time_point begun_, sent_, last_arrived_;
  std::vector<int> num_damaged_;                 // [workers] answers that were wrong
  std::optional<Clock::time_point> busy_since_;  // the first refusal
  std::vector<uint8_t> is_open_;                 // [slots] not answered yet
  std::vector<int16_t> num_flights_;             // [slots] under way with it
  std::vector<uint8_t> avoided_;                 // [workers] for this layer: they failed it
  std::vector<Flight> flights_;
  Buffer collected_;

  LateAnswers late_;

  // Scratch.
  CopyChoice choice_;
  DispatchBatch batch_;
  std::vector<int32_t> row_index_;  // [rows of the step] index into batch_.rows, or -1
  std::vector<int32_t> expert_at_;  // [num_experts] index into experts_, or -1
  std::vector<CopyChoice::Expert> experts_;
  std::vector<int> candidates_;  // the copies of experts_, one after the other
  std::vector<double> slowness_;
  std::vector<std::vector<int32_t>> slots_of_;  // [workers]
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_DISPATCHER_H_

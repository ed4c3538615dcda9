#include "router/experts/dispatcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"

namespace coterie {

Dispatcher::Dispatcher(WorkerSet* workers, absl::Duration timeout, RouterMetrics* metrics,
                       ExpertLoad* load, Parallel* pool)
    : workers_(workers),
      timeout_(timeout),
      metrics_(metrics),
      load_(load),
      pool_(pool),
      outgoing_(static_cast<size_t>(workers->num_workers())) {}

void Dispatcher::Group(int64_t layer, const Placement& placement, const EncodedRows& rows,
                       const Routing& routing) {
  for (Outgoing& out : outgoing_) {
    out.batch.layer = layer;
    out.batch.format = rows.format();
    out.batch.num_cols = rows.num_cols();
    out.batch.rows.clear();
    out.batch.pair_row.clear();
    out.batch.pair_expert.clear();
    out.pair_slot.clear();
    out.row_of.assign(static_cast<size_t>(rows.num_rows()), -1);
  }
  const int64_t top_k = static_cast<int64_t>(routing.experts.size()) / rows.num_rows();
  for (size_t slot = 0; slot < routing.experts.size(); ++slot) {
    const int64_t row = static_cast<int64_t>(slot) / top_k;
    Outgoing& out = outgoing_[static_cast<size_t>(placement.worker(layer, routing.experts[slot]))];
    int32_t& index = out.row_of[static_cast<size_t>(row)];
    if (index < 0) {
      index = static_cast<int32_t>(out.batch.rows.size());
      out.batch.rows.push_back(rows.row(row));
    }
    out.batch.pair_row.push_back(index);
    out.batch.pair_expert.push_back(routing.experts[slot]);
    out.pair_slot.push_back(static_cast<int32_t>(slot));
  }
}

absl::Status Dispatcher::Send(int64_t layer, const EncodedRows& rows, const Routing& routing) {
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    if (EncodedRowIsFinite(rows.format(), rows.row(row), rows.num_cols())) continue;
    return absl::InternalError(
        absl::StrCat("an activation in layer ", layer,
                     " is NaN or infinite: the model's weights are damaged or out of range"));
  }
  ASSIGN_OR_RETURN(const Placement* placement, workers_->placement());
  Group(layer, *placement, rows, routing);
  num_cols_ = rows.num_cols();
  num_slots_ = static_cast<int64_t>(routing.experts.size());
  collected_.Reserve(static_cast<size_t>(num_slots_ * num_cols_) * sizeof(float));
  absl::Status status;
  for (int worker = 0; worker < workers_->num_workers(); ++worker) {
    Outgoing& out = outgoing_[static_cast<size_t>(worker)];
    if (out.batch.pair_row.empty()) continue;
    const absl::StatusOr<uint64_t> id = workers_->channel(worker).Dispatch(out.batch);
    if (!id.ok()) {
      status.Update(id.status());
      continue;
    }
    out.id = *id;
    out.under_way = true;
    metrics_->CountSent(worker, static_cast<int64_t>(out.batch.rows.size()) * rows.row_bytes());
  }
  metrics_->CountRouting(layer, routing.experts);
  load_->Count(layer, routing.experts);
  if (!status.ok())
    Collect().status().IgnoreError();  // take what is under way, so that the next step starts clean
  return status;
}

absl::StatusOr<Tensor> Dispatcher::Collect() {
  const auto start = std::chrono::steady_clock::now();
  const absl::Time deadline = absl::Now() + timeout_;
  absl::Status status;
  for (int worker = 0; worker < workers_->num_workers(); ++worker) {
    Outgoing& out = outgoing_[static_cast<size_t>(worker)];
    if (!std::exchange(out.under_way, false)) continue;
    status.Update(CollectFrom(worker, deadline));
  }
  metrics_->dispatch_wait_seconds.Observe(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!status.ok()) return status;
  return Tensor(collected_.as<float>(), {num_slots_, num_cols_});
}

absl::Status Dispatcher::CollectFrom(int worker, absl::Time deadline) {
  const Outgoing& out = outgoing_[static_cast<size_t>(worker)];
  ASSIGN_OR_RETURN(const CombineBatch combine, workers_->channel(worker).Await(out.id, deadline));
  const auto num_pairs = static_cast<int64_t>(out.pair_slot.size());
  if (combine.num_pairs != num_pairs || combine.num_cols != num_cols_) {
    return absl::InternalError(absl::StrCat(
        "expert worker ", workers_->channel(worker).name(), ": answered ", combine.num_pairs,
        " rows of ", combine.num_cols, ", asked for ", num_pairs, " of ", num_cols_));
  }
  constexpr int64_t kRowsPerTask = 32;
  pool_->For((num_pairs + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    for (int64_t pair = task * kRowsPerTask; pair < std::min(num_pairs, (task + 1) * kRowsPerTask);
         ++pair) {
      DecodeRow(combine.format, combine.row(pair), num_cols_,
                collected_.as<float>() + out.pair_slot[static_cast<size_t>(pair)] * num_cols_);
    }
  });
  WorkerLoad& load = workers_->load(worker);
  load.pairs += static_cast<uint64_t>(num_pairs);
  load.compute_ns += static_cast<uint64_t>(combine.compute_seconds * 1e9);
  metrics_->CountReceived(worker, num_pairs, num_pairs * EncodedRowBytes(combine.format, num_cols_),
                          combine.compute_seconds);
  return absl::OkStatus();
}

}  // namespace coterie

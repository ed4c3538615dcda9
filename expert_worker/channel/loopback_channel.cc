#include "expert_worker/channel/loopback_channel.h"

#include <chrono>

#include "kernels/status_macros.h"

namespace coterie {

LoopbackChannel::LoopbackChannel(ExpertHost* host, int worker, DispatchInbox* inbox)
    : host_(host), worker_(worker), inbox_(inbox), output_(std::make_shared<Buffer>()) {}

ExpertChannel::State LoopbackChannel::state() const {
  return {.connected = true, .resident = host_->shard(), .epoch = 1};
}

absl::StatusOr<uint64_t> LoopbackChannel::Dispatch(const DispatchBatch& batch,
                                                   absl::Duration /*timeout*/) {
  RETURN_IF_ERROR(host_->Validate(batch));
  const auto start = std::chrono::steady_clock::now();
  // Taken and given back by the caller's thread alone.
  if (output_.use_count() > 1) output_ = std::make_shared<Buffer>();
  CombineBatch combine{.format = host_->output_format(),
                       .num_cols = batch.num_cols,
                       .num_pairs = static_cast<int64_t>(batch.pair_row.size())};
  output_->Reserve(static_cast<size_t>(combine.num_pairs * host_->output_row_bytes()));
  host_->Compute(batch, output_->data());
  combine.data = output_->data();
  combine.compute_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const uint64_t id = ++last_id_;
  inbox_->Put({.worker = worker_, .id = id, .combine = combine, .memory = output_});
  return id;
}

}  // namespace coterie

#include "expert_worker/channel/loopback_channel.h"

#include <chrono>

#include "kernels/check.h"
#include "kernels/status_macros.h"

namespace coterie {

absl::StatusOr<uint64_t> LoopbackChannel::Dispatch(const DispatchBatch& batch) {
  RETURN_IF_ERROR(host_->Validate(batch));
  CHECK(batch_ == nullptr) << "one dispatch at a time on a loopback channel";
  batch_ = &batch;
  return ++last_id_;
}

absl::StatusOr<CombineBatch> LoopbackChannel::Await(uint64_t id, absl::Time /*deadline*/) {
  CHECK(batch_ != nullptr && id == last_id_) << "dispatch " << id << " is not under way";
  const auto start = std::chrono::steady_clock::now();
  CombineBatch combine{.format = host_->output_format(),
                       .num_cols = batch_->num_cols,
                       .num_pairs = static_cast<int64_t>(batch_->pair_row.size())};
  output_.Reserve(static_cast<size_t>(combine.num_pairs * host_->output_row_bytes()));
  host_->Compute(*batch_, output_.data());
  batch_ = nullptr;
  combine.data = output_.data();
  combine.compute_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return combine;
}

}  // namespace coterie

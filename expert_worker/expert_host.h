// ExpertHost: the experts resident on this device, and the computation of a dispatched batch with
// them.
//
// Thread rule: what changes it and Compute by one caller at a time (the service holds a mutex); the
// rest is read-only in between.
#ifndef COTERIE_EXPERT_WORKER_EXPERT_HOST_H_
#define COTERIE_EXPERT_WORKER_EXPERT_HOST_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/grouping.h"
#include "expert_worker/shard.h"
#include "model/checkpoint.h"
#include "model/expert.h"
#include "model/weights.h"

namespace coterie {

// What one expert takes in memory.
int64_t ExpertBytes(const ModelConfig& config, DType format);

class ExpertHost {
 public:
  // checkpoint and pool: not owned, outlive this. Holds nothing until Load.
  ExpertHost(const Checkpoint* checkpoint, LoadOptions options, Parallel* pool);

  // Makes exactly the experts of `shard` resident: drops others first, keeps those already here. On
  // failure (InvalidArgument names layer and expert) what was loaded so far stays, and shard()
  // holds nothing.
  absl::Status Load(const Shard& shard);

  // One expert, read from the model's file with the caller's threads; held by nobody yet. By any
  // thread, while others compute.
  absl::StatusOr<ExpertWeights> Read(int64_t layer, int64_t expert, Parallel& pool) const;
  // Holds it from now on.
  void Put(int64_t layer, int64_t expert, ExpertWeights weights);
  void Drop(int64_t layer, int64_t expert);

  // InvalidArgument when the batch does not fit this model (names the field, what was expected and
  // found); NotFound when an expert is not resident here.
  absl::Status Validate(const DispatchBatch& batch) const;

  // Computes every pair; `out` receives num_pairs rows of output_row_bytes(), in the order of the
  // pairs. Requires Validate.
  void Compute(const DispatchBatch& batch, std::byte* out);

  const ModelConfig& config() const { return checkpoint_->config(); }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Shard& shard() const { return shard_; }
  DType format() const { return format_; }
  RowFormat row_format() const { return RowFormatFor(format_); }
  RowFormat output_format() const { return ExpertOutputFormat(format_); }
  int64_t output_row_bytes() const { return EncodedRowBytes(output_format(), config().model_dim); }
  int64_t resident_bytes() const { return resident_bytes_; }
  // Of one expert.
  int64_t expert_bytes() const { return ExpertBytes(config(), format_); }

 private:
  std::unique_ptr<ExpertWeights>& slot(int64_t layer, int64_t expert) {
    return experts_[static_cast<size_t>(layer * config().num_experts + expert)];
  }

  const Checkpoint* const checkpoint_;
  const LoadOptions options_;
  Parallel* const pool_;
  const DType format_;
  ExpertRunner runner_;
  Shard shard_;
  int64_t resident_bytes_ = 0;
  std::vector<std::unique_ptr<ExpertWeights>> experts_;  // [num_layers * num_experts]
  Grouping grouping_;
  std::vector<const std::byte*> run_rows_;  // rows and outputs in grouped order
  std::vector<std::byte*> run_outputs_;
  std::vector<ExpertJob> jobs_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_EXPERT_HOST_H_

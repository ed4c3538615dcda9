#include "expert_worker/expert_host.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "kernels/tensor.h"

namespace coterie {

int64_t ExpertBytes(const ModelConfig& config, DType format) {
  return 2 * config.expert_dim * RowBytes(format, config.model_dim) +
         config.model_dim * RowBytes(format, config.expert_dim);
}

ExpertHost::ExpertHost(const Checkpoint* checkpoint, LoadOptions options, Parallel* pool)
    : checkpoint_(checkpoint),
      options_(options),
      pool_(pool),
      format_(LoadedExpertFormat(*checkpoint, options)),
      runner_(pool),
      shard_(Shard::Nothing(checkpoint->config().num_layers, checkpoint->config().num_experts)),
      experts_(
          static_cast<size_t>(checkpoint->config().num_layers * checkpoint->config().num_experts)) {
}

absl::Status ExpertHost::Load(const Shard& shard) {
  const ModelConfig& config = checkpoint_->config();
  shard_ = Shard::Nothing(config.num_layers, config.num_experts);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (int64_t expert = 0; expert < config.num_experts; ++expert) {
      std::unique_ptr<ExpertWeights>& held = slot(layer, expert);
      if (held == nullptr || shard.Holds(layer, expert)) continue;
      resident_bytes_ -= static_cast<int64_t>(held->size_bytes());
      held.reset();
    }
  }
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (int64_t expert = 0; expert < config.num_experts; ++expert) {
      if (!shard.Holds(layer, expert) || slot(layer, expert) != nullptr) continue;
      absl::StatusOr<ExpertWeights> weights =
          LoadExpert(*checkpoint_, layer, expert, options_, *pool_);
      if (!weights.ok()) return weights.status();
      resident_bytes_ += static_cast<int64_t>(weights->size_bytes());
      slot(layer, expert) = std::make_unique<ExpertWeights>(*std::move(weights));
    }
  }
  shard_ = shard;
  return absl::OkStatus();
}

absl::StatusOr<ExpertWeights> ExpertHost::Read(int64_t layer, int64_t expert,
                                               Parallel& pool) const {
  return LoadExpert(*checkpoint_, layer, expert, options_, pool);
}

void ExpertHost::Put(int64_t layer, int64_t expert, ExpertWeights weights) {
  std::unique_ptr<ExpertWeights>& held = slot(layer, expert);
  if (held != nullptr) resident_bytes_ -= static_cast<int64_t>(held->size_bytes());
  resident_bytes_ += static_cast<int64_t>(weights.size_bytes());
  held = std::make_unique<ExpertWeights>(std::move(weights));
  shard_.Set(layer, expert, true);
}

void ExpertHost::Drop(int64_t layer, int64_t expert) {
  std::unique_ptr<ExpertWeights>& held = slot(layer, expert);
  CHECK(held != nullptr) << "layer " << layer << " expert " << expert << " is not held";
  resident_bytes_ -= static_cast<int64_t>(held->size_bytes());
  held.reset();
  shard_.Set(layer, expert, false);
}

absl::Status ExpertHost::Validate(const DispatchBatch& batch) const {
  const ModelConfig& model = config();
  const auto invalid = [](auto... parts) {
    return absl::InvalidArgumentError(absl::StrCat("dispatch: ", parts...));
  };
  if (batch.layer < 0 || batch.layer >= model.num_layers)
    return invalid("layer ", batch.layer, " of ", model.num_layers);
  if (batch.format != row_format()) {
    return invalid("rows are ", RowFormatName(batch.format), ", ", DTypeName(format_),
                   " experts take ", RowFormatName(row_format()));
  }
  if (batch.num_cols != model.model_dim)
    return invalid("rows of ", batch.num_cols, " values, the model has ", model.model_dim);
  if (batch.pair_row.size() != batch.pair_expert.size()) {
    return invalid(batch.pair_row.size(), " pair rows but ", batch.pair_expert.size(),
                   " pair experts");
  }
  // What a frame may make this process compute and allocate.
  const auto top_k = static_cast<size_t>(model.experts_per_token);
  if (batch.rows.size() > kDispatchRowsMax)
    return invalid(batch.rows.size(), " rows, at most ", kDispatchRowsMax, " are taken");
  if (batch.pair_row.size() > batch.rows.size() * top_k) {
    return invalid(batch.pair_row.size(), " pairs for ", batch.rows.size(), " rows, the model has ",
                   top_k, " experts a row");
  }
  for (size_t pair = 0; pair < batch.pair_row.size(); ++pair) {
    const int32_t row = batch.pair_row[pair], expert = batch.pair_expert[pair];
    if (row < 0 || row >= static_cast<int64_t>(batch.rows.size()))
      return invalid("pair ", pair, " names row ", row, " of ", batch.rows.size());
    if (expert < 0 || expert >= model.num_experts)
      return invalid("pair ", pair, " names expert ", expert, " of ", model.num_experts);
    if (!shard_.Holds(batch.layer, expert)) {
      return absl::NotFoundError(absl::StrCat("dispatch: expert ", expert, " of layer ",
                                              batch.layer, " is not resident here (shard \"",
                                              shard_.text(), "\")"));
    }
  }
  return absl::OkStatus();
}

void ExpertHost::Compute(const DispatchBatch& batch, std::byte* out) {
  grouping_.Group(batch.pair_expert, config().num_experts);
  const size_t num_pairs = batch.pair_row.size();
  const int64_t row_bytes = output_row_bytes();
  run_rows_.resize(num_pairs);
  run_outputs_.resize(num_pairs);
  jobs_.clear();
  for (const Grouping::Run& run : grouping_.runs()) {
    const auto begin = static_cast<size_t>(run.begin),
               size = static_cast<size_t>(run.end - run.begin);
    size_t at = begin;
    for (int32_t pair : grouping_.pairs(run)) {
      run_rows_[at] = batch.rows[static_cast<size_t>(batch.pair_row[static_cast<size_t>(pair)])];
      run_outputs_[at++] = out + pair * row_bytes;
    }
    jobs_.push_back({slot(batch.layer, run.expert).get(),
                     {run_rows_.data() + begin, size},
                     {run_outputs_.data() + begin, size}});
  }
  runner_.Run(jobs_);
}

}  // namespace coterie

#include "router/engine/step.h"

#include "kernels/status_macros.h"

namespace coterie {

absl::StatusOr<Tensor> Step::Run(std::span<const StepRow> rows,
                                 absl::FunctionRef<bool()> cancelled) {
  tokens_.clear();
  positions_.clear();
  views_.clear();
  logit_rows_.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    tokens_.push_back(rows[i].token);
    positions_.push_back(rows[i].position);
    if (rows[i].wants_logits) logit_rows_.push_back(static_cast<int64_t>(i));
  }
  for (int64_t layer = 0; layer < config_->num_layers; ++layer) {
    for (const StepRow& row : rows) views_.push_back(row.kv->View(layer));
  }

  trunk_->Begin({.tokens = tokens_, .positions = positions_, .views = views_});
  for (int64_t layer = 0; layer < config_->num_layers; ++layer) {
    if (cancelled()) return absl::CancelledError("nobody waits for this step any more");
    trunk_->Attend(layer);
    trunk_->Gate(layer);
    RETURN_IF_ERROR(dispatcher_->Send(layer, trunk_->expert_input(), trunk_->routing()));
    trunk_->DenseMlp(layer);
    ASSIGN_OR_RETURN(const Tensor expert_rows, dispatcher_->Collect());
    trunk_->Combine(layer, expert_rows);
  }
  const auto count = static_cast<int64_t>(logit_rows_.size());
  logits_.Reserve(static_cast<size_t>(count * config_->vocab_size) * sizeof(float));
  const Tensor logits(logits_.as<float>(), {count, config_->vocab_size});
  if (count > 0) trunk_->Logits(logit_rows_, logits);
  return logits;
}

}  // namespace coterie

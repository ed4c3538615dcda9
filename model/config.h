// ModelConfig: every dimension of the model as a value. Read once from config.json or GGUF
// metadata, judged there, and constant afterwards. Formulas and field meanings: Gemma 4's published
// config and transformers' models/gemma4.
#ifndef COTERIE_MODEL_CONFIG_H_
#define COTERIE_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

struct ModelConfig {
  int64_t num_layers = 0;
  int64_t model_dim = 0;
  int64_t num_heads = 0;  // query heads, both layer types
  int64_t num_kv_heads_sliding = 0;
  int64_t num_kv_heads_global = 0;
  int64_t head_dim_sliding = 0;
  int64_t head_dim_global = 0;
  std::vector<bool> layer_is_global;  // [num_layers]
  int64_t sliding_window = 0;         // keys a query sees in a sliding layer, itself included
  int64_t num_experts = 0;
  int64_t experts_per_token = 0;  // top-k
  int64_t expert_dim = 0;
  int64_t dense_dim = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  double rope_theta_sliding = 0;
  double rope_theta_global = 0;
  double rope_partial_global = 0;  // share of a global head's dims that is rotated
  float norm_eps = 0;
  float logit_softcap = 0;
  int32_t bos_id = 2;
  int32_t pad_id = 0;
  std::vector<int32_t> eos_ids;  // a sampled one ends the sequence

  int64_t num_kv_heads(int64_t layer) const {
    return layer_is_global[layer] ? num_kv_heads_global : num_kv_heads_sliding;
  }
  int64_t head_dim(int64_t layer) const {
    return layer_is_global[layer] ? head_dim_global : head_dim_sliding;
  }
  int64_t q_dim(int64_t layer) const { return num_heads * head_dim(layer); }
  int64_t kv_dim(int64_t layer) const { return num_kv_heads(layer) * head_dim(layer); }
  // Rotated pairs of a head: all of a sliding one, the first part of a global one.
  int64_t num_rope_pairs(int64_t layer) const;
  // 1 / θ^(2i/head_dim) in f32, [num_rope_pairs(layer)].
  std::vector<float> InverseFrequencies(int64_t layer) const;
  // √model_dim rounded to bf16 (53.0 for 2,816), as the reference multiplies embeddings.
  float EmbeddingScale() const;

  // InvalidArgument names the first dimension that is missing, not positive, or does not fit
  // another.
  absl::Status Validate() const;

 private:
  absl::Status ValidateTokenIds() const;
};

// A token id as a file gives it, in our type. What does not fit becomes -1 or the largest id, which
// Validate refuses; wrapping round could make a valid one of it.
int32_t TokenIdFromFile(int64_t id);

// The published 26B-A4B.
ModelConfig Gemma4_26B();

// config.json of a checkpoint directory: text fields flat or under `text_config`; global shapes as
// flat fields
// (`global_head_dim`, `num_global_key_value_heads`) or as `per_layer_config`. Unimplemented: any
// other architecture, and a Gemma 4 without experts, with per-layer embeddings or with shared KV
// (message names what was found).
absl::StatusOr<ModelConfig> ModelConfigFromJson(absl::string_view json);

// `eos_token_id` of generation_config.json, one or several; none if it has none.
absl::StatusOr<std::vector<int32_t>> EosIdsFromJson(absl::string_view json);

}  // namespace coterie

#endif  // COTERIE_MODEL_CONFIG_H_

#include "model/config_gguf.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

absl::Status Unserved(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(
      "gguf: ", what, "; this program serves Gemma 4 with routed experts (26B-A4B) only"));
}

// A list of one value a layer, or one for all.
absl::StatusOr<std::vector<int64_t>> PerLayer(const GgufFile& file, const std::string& key,
                                              int64_t num_layers) {
  ASSIGN_OR_RETURN(std::vector<int64_t> values, file.Ints(key));
  if (values.size() == 1) values.resize(static_cast<size_t>(num_layers), values[0]);
  if (static_cast<int64_t>(values.size()) != num_layers) {
    return absl::InvalidArgumentError(absl::StrCat(
        "gguf: metadata key ", key, " has ", values.size(), " values for ", num_layers, " layers"));
  }
  return values;
}

absl::Status ReadLayerShapes(const GgufFile& file, ModelConfig* c) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> sliding,
                   PerLayer(file, "gemma4.attention.sliding_window_pattern", c->num_layers));
  ASSIGN_OR_RETURN(const std::vector<int64_t> kv_heads,
                   PerLayer(file, "gemma4.attention.head_count_kv", c->num_layers));
  for (int64_t layer = 0; layer < c->num_layers; ++layer) {
    const auto at = static_cast<size_t>(layer);
    c->layer_is_global.push_back(sliding[at] == 0);
    int64_t& heads = sliding[at] == 0 ? c->num_kv_heads_global : c->num_kv_heads_sliding;
    if (heads != 0 && heads != kv_heads[at])
      return Unserved("KV heads that differ between layers of one type");
    heads = kv_heads[at];
  }
  // A model of one layer type only has no shape of the other.
  if (c->num_kv_heads_global == 0) c->num_kv_heads_global = c->num_kv_heads_sliding;
  if (c->num_kv_heads_sliding == 0) c->num_kv_heads_sliding = c->num_kv_heads_global;
  return absl::OkStatus();
}

// The converter writes the share of rotated dims as a tensor of frequency divisors: 1 for rotated
// pairs, 1e30 for the others.
absl::StatusOr<double> RotatedShare(const RawTensor& tensor, int64_t head_dim) {
  std::vector<float> divisors(tensor.bytes.size() / sizeof(float));
  // Compared in pairs, not bytes: a hostile head dimension must not overflow.
  if (tensor.dtype != DType::kF32 || static_cast<int64_t>(divisors.size()) != head_dim / 2) {
    return absl::InvalidArgumentError(
        "gguf: tensor rope_freqs.weight is not one f32 for every pair of a global head");
  }
  std::memcpy(divisors.data(), tensor.bytes.data(), tensor.bytes.size());
  const auto end = std::find_if(divisors.begin(), divisors.end(), [](float d) { return d != 1; });
  for (auto it = end; it != divisors.end(); ++it) {
    if (!(*it > 1e20f)) return Unserved(absl::StrCat("rope_freqs.weight with a divisor of ", *it));
  }
  return static_cast<double>(end - divisors.begin()) / static_cast<double>(divisors.size());
}

absl::Status ReadPartialRotation(const GgufFile& file, ModelConfig* c) {
  if (const auto scaling = file.String("gemma4.rope.scaling.type");
      scaling.ok() && *scaling != "none")
    return Unserved(absl::StrCat("a scaled rotation (gemma4.rope.scaling.type is ", *scaling, ")"));
  for (const RawTensor& tensor : file.tensors) {
    if (tensor.name != "rope_freqs.weight") continue;
    ASSIGN_OR_RETURN(c->rope_partial_global, RotatedShare(tensor, c->head_dim_global));
    return absl::OkStatus();
  }
  // Rotating everything instead would read well and be wrong.
  return absl::InvalidArgumentError(
      "gguf: tensor rope_freqs.weight is missing; it says which part of a global head is rotated");
}

// Publishers disagree on the one end token of the metadata (1 or 106), so the model's known ones
// count as well, by their spelling.
absl::Status ReadEndTokens(const GgufFile& file, ModelConfig* c) {
  if (const auto eos = file.Int("tokenizer.ggml.eos_token_id"); eos.ok())
    c->eos_ids.push_back(TokenIdFromFile(*eos));
  ASSIGN_OR_RETURN(const std::vector<std::string> tokens, file.Strings("tokenizer.ggml.tokens"));
  c->vocab_size = static_cast<int64_t>(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string& token = tokens[id];
    if (token == "<eos>" || token == "<turn|>" || token == "<|tool_response>")
      c->eos_ids.push_back(static_cast<int32_t>(id));
    if (token == "<bos>") c->bos_id = static_cast<int32_t>(id);
    if (token == "<pad>") c->pad_id = static_cast<int32_t>(id);
  }
  std::sort(c->eos_ids.begin(), c->eos_ids.end());
  c->eos_ids.erase(std::unique(c->eos_ids.begin(), c->eos_ids.end()), c->eos_ids.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ModelConfigFromGguf(const GgufFile& file) {
  ASSIGN_OR_RETURN(const std::string architecture, file.String("general.architecture"));
  if (architecture != "gemma4")
    return Unserved(absl::StrCat("architecture is \"", architecture, "\""));
  if (!file.metadata.contains("gemma4.expert_count"))
    return Unserved("a Gemma 4 without experts (no gemma4.expert_count)");
  if (const auto size = file.Int("gemma4.embedding_length_per_layer_input");
      size.ok() && *size != 0)
    return Unserved("per-layer input embeddings");
  if (const auto shared = file.Int("gemma4.attention.shared_kv_layers");
      shared.ok() && *shared != 0)
    return Unserved("KV shared between layers");
  ModelConfig c;
  const struct {
    const char* key;
    int64_t* value;
  } numbers[] = {
      {"gemma4.block_count", &c.num_layers},
      {"gemma4.embedding_length", &c.model_dim},
      {"gemma4.attention.head_count", &c.num_heads},
      {"gemma4.attention.key_length", &c.head_dim_global},
      {"gemma4.attention.key_length_swa", &c.head_dim_sliding},
      {"gemma4.attention.sliding_window", &c.sliding_window},
      {"gemma4.expert_count", &c.num_experts},
      {"gemma4.expert_used_count", &c.experts_per_token},
      {"gemma4.expert_feed_forward_length", &c.expert_dim},
      {"gemma4.feed_forward_length", &c.dense_dim},
      {"gemma4.context_length", &c.max_positions},
  };
  for (const auto& [key, value] : numbers) {
    ASSIGN_OR_RETURN(*value, file.Int(key));
  }
  if (c.num_layers < 1 || c.num_layers > 1024)
    return absl::InvalidArgumentError(absl::StrCat("gguf: gemma4.block_count is ", c.num_layers));
  ASSIGN_OR_RETURN(c.rope_theta_global, file.Float("gemma4.rope.freq_base"));
  ASSIGN_OR_RETURN(c.rope_theta_sliding, file.Float("gemma4.rope.freq_base_swa"));
  ASSIGN_OR_RETURN(const double eps, file.Float("gemma4.attention.layer_norm_rms_epsilon"));
  ASSIGN_OR_RETURN(const double cap, file.Float("gemma4.final_logit_softcapping"));
  c.norm_eps = static_cast<float>(eps);
  c.logit_softcap = static_cast<float>(cap);
  RETURN_IF_ERROR(ReadLayerShapes(file, &c));
  RETURN_IF_ERROR(ReadPartialRotation(file, &c));
  RETURN_IF_ERROR(ReadEndTokens(file, &c));
  RETURN_IF_ERROR(c.Validate());
  return c;
}

}  // namespace coterie

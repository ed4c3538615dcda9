#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/half.h"
#include "kernels/status_macros.h"

namespace coterie {

int64_t ModelConfig::num_rope_pairs(int64_t layer) const {
  const int64_t half = head_dim(layer) / 2;
  if (!layer_is_global[static_cast<size_t>(layer)]) return half;
  return static_cast<int64_t>(rope_partial_global * static_cast<double>(half));
}

// The exponent's denominator is the head dim, also where only a part of the dims is rotated.
std::vector<float> ModelConfig::InverseFrequencies(int64_t layer) const {
  const double theta =
      layer_is_global[static_cast<size_t>(layer)] ? rope_theta_global : rope_theta_sliding;
  std::vector<float> frequencies(static_cast<size_t>(num_rope_pairs(layer)));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_dim(layer));
    frequencies[i] = static_cast<float>(1.0 / std::pow(theta, exponent));
  }
  return frequencies;
}

float ModelConfig::EmbeddingScale() const {
  return BF16ToF32(F32ToBF16(std::sqrt(static_cast<float>(model_dim))));
}

absl::Status ModelConfig::Validate() const {
  struct Bounded {
    const char* name;
    int64_t value;
    int64_t most;
  };
  // Bounds far above any Gemma 4: they keep products of dimensions within 64 bits for hostile
  // files.
  const Bounded bounded[] = {
      {"number of layers", num_layers, 1024},
      {"model dimension", model_dim, 1 << 16},
      {"number of query heads", num_heads, 1024},
      {"number of KV heads (sliding)", num_kv_heads_sliding, 1024},
      {"number of KV heads (global)", num_kv_heads_global, 1024},
      {"head dimension (sliding)", head_dim_sliding, 4096},
      {"head dimension (global)", head_dim_global, 4096},
      {"sliding window", sliding_window, 1 << 20},
      {"number of experts", num_experts, 4096},
      {"experts per token", experts_per_token, num_experts},
      {"expert dimension", expert_dim, 1 << 16},
      {"dense MLP dimension", dense_dim, 1 << 17},
      {"vocabulary size", vocab_size, 1 << 22},
      {"maximum positions", max_positions, 1 << 24},
  };
  for (const Bounded& b : bounded) {
    if (b.value < 1 || b.value > b.most)
      return absl::InvalidArgumentError(
          absl::StrCat("config: ", b.name, " is ", b.value, ", expected 1 to ", b.most));
  }
  if (static_cast<int64_t>(layer_is_global.size()) != num_layers) {
    return absl::InvalidArgumentError(absl::StrCat("config: ", layer_is_global.size(),
                                                   " layer types for ", num_layers, " layers"));
  }
  // Before any use of it: a count of pairs is computed from it.
  if (!(rope_partial_global > 0 && rope_partial_global <= 1))
    return absl::InvalidArgumentError(
        absl::StrCat("config: partial rotary factor is ", rope_partial_global));
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    if (num_heads % num_kv_heads(layer) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("config: ", num_heads, " query heads are not a multiple of ",
                       num_kv_heads(layer), " KV heads in layer ", layer));
    }
    if (head_dim(layer) % 16 != 0)
      return absl::InvalidArgumentError(absl::StrCat("config: head dimension ", head_dim(layer),
                                                     " of layer ", layer,
                                                     " is not a multiple of 16"));
    if (num_rope_pairs(layer) < 1)
      return absl::InvalidArgumentError(
          absl::StrCat("config: no dimension of layer ", layer, " is rotated"));
  }
  if (!(rope_theta_sliding > 1) || !(rope_theta_global > 1) ||
      !std::isfinite(rope_theta_sliding + rope_theta_global)) {
    return absl::InvalidArgumentError(absl::StrCat("config: RoPE bases ", rope_theta_sliding,
                                                   " and ", rope_theta_global, " must be above 1"));
  }
  if (!(norm_eps > 0 && norm_eps < 1))
    return absl::InvalidArgumentError(absl::StrCat("config: norm epsilon is ", norm_eps));
  if (!(logit_softcap > 0) || !std::isfinite(logit_softcap))
    return absl::InvalidArgumentError(
        absl::StrCat("config: final logit softcap is ", logit_softcap));
  return ValidateTokenIds();
}

absl::Status ModelConfig::ValidateTokenIds() const {
  const auto check = [this](const char* name, int32_t id) {
    if (id >= 0 && id < vocab_size) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("config: the ", name, " token id is ", id,
                                                   ", expected 0 to ", vocab_size - 1));
  };
  RETURN_IF_ERROR(check("bos", bos_id));
  RETURN_IF_ERROR(check("pad", pad_id));
  for (int32_t id : eos_ids) RETURN_IF_ERROR(check("eos", id));
  return absl::OkStatus();
}

int32_t TokenIdFromFile(int64_t id) {
  return static_cast<int32_t>(std::clamp<int64_t>(id, -1, std::numeric_limits<int32_t>::max()));
}

ModelConfig Gemma4_26B() {
  ModelConfig c;
  c.num_layers = 30;
  c.model_dim = 2816;
  c.num_heads = 16;
  c.num_kv_heads_sliding = 8;
  c.num_kv_heads_global = 2;
  c.head_dim_sliding = 256;
  c.head_dim_global = 512;
  for (int layer = 0; layer < 30; ++layer) c.layer_is_global.push_back(layer % 6 == 5);
  c.sliding_window = 1024;
  c.num_experts = 128;
  c.experts_per_token = 8;
  c.expert_dim = 704;
  c.dense_dim = 2112;
  c.vocab_size = 262144;
  c.max_positions = 262144;
  c.rope_theta_sliding = 1e4;
  c.rope_theta_global = 1e6;
  c.rope_partial_global = 0.25;
  c.norm_eps = 1e-6f;
  c.logit_softcap = 30.0f;
  c.eos_ids = {1, 106, 50};
  return c;
}

}  // namespace coterie

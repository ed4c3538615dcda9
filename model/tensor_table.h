// The one table of all tensors: what each is, its shape, its names in both file formats, and which
// process holds it.
#ifndef COTERIE_MODEL_TENSOR_TABLE_H_
#define COTERIE_MODEL_TENSOR_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace coterie {

enum class TensorRole : uint8_t {
  kEmbedding,  // [vocab, dim]; also the head
  kFinalNorm,  // [dim]
  kInputNorm,  // [dim], here and in all layer norms below
  kQuery,      // [heads * head_dim, dim]
  kKey,        // [kv_heads * head_dim, dim]
  kValue,      // as kKey; sliding layers only: a global layer's value is its raw key
  kOutput,     // [dim, heads * head_dim]
  kQueryNorm,
  kKeyNorm,  // [head_dim]
  kPostAttentionNorm,
  kPreDenseNorm,  // pre_feedforward_layernorm
  kDenseGate,
  kDenseUp,         // [dense_dim, dim]
  kDenseDown,       // [dim, dense_dim]
  kPostDenseNorm,   // post_feedforward_layernorm_1
  kPreExpertNorm,   // pre_feedforward_layernorm_2
  kPostExpertNorm,  // post_feedforward_layernorm_2
  kPostNorm,        // post_feedforward_layernorm
  kGate,            // router.proj [experts, dim]
  kGateScale,       // router.scale [dim]
  kPerExpertScale,  // [experts]
  kExpertGateUp,    // [experts, 2 * expert_dim, dim]: gate rows, then up rows
  kExpertDown,      // [experts, dim, expert_dim]
  kLayerScalar,     // [1]
};

enum class TensorHolder : uint8_t { kTrunk, kExpert };  // router, expert_worker

inline constexpr int64_t kNoLayer = -1;

struct TensorSpec {
  TensorRole role;
  int64_t layer = kNoLayer;
  std::vector<int64_t> shape;    // outermost first
  std::string safetensors_name;  // after the prefix "model.language_model." or "model."
  std::string gguf_name;
  TensorHolder holder = TensorHolder::kTrunk;
};

// Every tensor of a model of this configuration: 657 for the 26B.
std::vector<TensorSpec> TensorTable(const ModelConfig& config);

}  // namespace coterie

#endif  // COTERIE_MODEL_TENSOR_TABLE_H_

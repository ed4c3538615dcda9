#include "model/tensor_table.h"

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

struct LayerTensor {
  TensorRole role;
  const char* safetensors_name;  // after "layers.N."
  const char* gguf_name;         // after "blk.N."
  std::vector<int64_t> shape;
};

std::vector<LayerTensor> LayerTensors(const ModelConfig& c, int64_t layer) {
  const int64_t dim = c.model_dim, q = c.q_dim(layer), kv = c.kv_dim(layer),
                head = c.head_dim(layer);
  std::vector<LayerTensor> tensors = {
      {TensorRole::kInputNorm, "input_layernorm.weight", "attn_norm.weight", {dim}},
      {TensorRole::kQuery, "self_attn.q_proj.weight", "attn_q.weight", {q, dim}},
      {TensorRole::kKey, "self_attn.k_proj.weight", "attn_k.weight", {kv, dim}},
      {TensorRole::kOutput, "self_attn.o_proj.weight", "attn_output.weight", {dim, q}},
      {TensorRole::kQueryNorm, "self_attn.q_norm.weight", "attn_q_norm.weight", {head}},
      {TensorRole::kKeyNorm, "self_attn.k_norm.weight", "attn_k_norm.weight", {head}},
      {TensorRole::kPostAttentionNorm,
       "post_attention_layernorm.weight",
       "post_attention_norm.weight",
       {dim}},
      {TensorRole::kPreDenseNorm, "pre_feedforward_layernorm.weight", "ffn_norm.weight", {dim}},
      {TensorRole::kDenseGate, "mlp.gate_proj.weight", "ffn_gate.weight", {c.dense_dim, dim}},
      {TensorRole::kDenseUp, "mlp.up_proj.weight", "ffn_up.weight", {c.dense_dim, dim}},
      {TensorRole::kDenseDown, "mlp.down_proj.weight", "ffn_down.weight", {dim, c.dense_dim}},
      {TensorRole::kPostDenseNorm,
       "post_feedforward_layernorm_1.weight",
       "post_ffw_norm_1.weight",
       {dim}},
      {TensorRole::kPreExpertNorm,
       "pre_feedforward_layernorm_2.weight",
       "pre_ffw_norm_2.weight",
       {dim}},
      {TensorRole::kPostExpertNorm,
       "post_feedforward_layernorm_2.weight",
       "post_ffw_norm_2.weight",
       {dim}},
      {TensorRole::kPostNorm, "post_feedforward_layernorm.weight", "post_ffw_norm.weight", {dim}},
      {TensorRole::kGate, "router.proj.weight", "ffn_gate_inp.weight", {c.num_experts, dim}},
      {TensorRole::kGateScale, "router.scale", "ffn_gate_inp.scale", {dim}},
      {TensorRole::kPerExpertScale,
       "router.per_expert_scale",
       "ffn_down_exps.scale",
       {c.num_experts}},
      {TensorRole::kExpertGateUp,
       "experts.gate_up_proj",
       "ffn_gate_up_exps.weight",
       {c.num_experts, 2 * c.expert_dim, dim}},
      {TensorRole::kExpertDown,
       "experts.down_proj",
       "ffn_down_exps.weight",
       {c.num_experts, dim, c.expert_dim}},
      {TensorRole::kLayerScalar, "layer_scalar", "layer_output_scale.weight", {1}},
  };
  if (!c.layer_is_global[static_cast<size_t>(layer)]) {
    tensors.push_back({TensorRole::kValue, "self_attn.v_proj.weight", "attn_v.weight", {kv, dim}});
  }
  return tensors;
}

}  // namespace

std::vector<TensorSpec> TensorTable(const ModelConfig& config) {
  std::vector<TensorSpec> table = {
      {TensorRole::kEmbedding,
       kNoLayer,
       {config.vocab_size, config.model_dim},
       "embed_tokens.weight",
       "token_embd.weight",
       TensorHolder::kTrunk},
      {TensorRole::kFinalNorm,
       kNoLayer,
       {config.model_dim},
       "norm.weight",
       "output_norm.weight",
       TensorHolder::kTrunk},
  };
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    for (const LayerTensor& t : LayerTensors(config, layer)) {
      const bool expert = t.role == TensorRole::kExpertGateUp || t.role == TensorRole::kExpertDown;
      table.push_back({t.role, layer, t.shape,
                       absl::StrCat("layers.", layer, ".", t.safetensors_name),
                       absl::StrCat("blk.", layer, ".", t.gguf_name),
                       expert ? TensorHolder::kExpert : TensorHolder::kTrunk});
    }
  }
  return table;
}

}  // namespace coterie

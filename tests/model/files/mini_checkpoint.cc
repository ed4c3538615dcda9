#include "tests/model/files/mini_checkpoint.h"

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "model/config.h"
#include "model/tensor_table.h"

namespace coterie {

std::string MiniConfigJson() {
  return R"({
  "model_type": "gemma4", "architectures": ["Gemma4ForConditionalGeneration"], "eos_token_id": [1, 6],
  "text_config": {
    "model_type": "gemma4_text", "enable_moe_block": true, "hidden_size_per_layer_input": 0,
    "num_kv_shared_layers": 0, "attention_k_eq_v": true, "attention_bias": false,
    "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2,
    "num_key_value_heads": 2, "num_global_key_value_heads": 1, "head_dim": 16, "global_head_dim": 32,
    "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4,
    "num_experts": 2, "top_k_experts": 1, "moe_intermediate_size": 32, "intermediate_size": 64,
    "vocab_size": 8, "max_position_embeddings": 64, "rms_norm_eps": 1e-06,
    "final_logit_softcapping": 30.0, "bos_token_id": 2, "pad_token_id": 0, "eos_token_id": 1,
    "rope_parameters": {
      "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
      "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0,
                         "partial_rotary_factor": 0.25}}}})";
}

std::vector<FileTensor> MiniTensors(const std::string& prefix) {
  const auto config = ModelConfigFromJson(MiniConfigJson());
  CHECK(config.ok()) << std::string(config.status().message());
  std::vector<FileTensor> tensors;
  for (const TensorSpec& spec : TensorTable(*config))
    tensors.push_back(F32Tensor(prefix + spec.safetensors_name, spec.shape));
  return tensors;
}

GgufParts MiniGguf() {
  const auto config = ModelConfigFromJson(MiniConfigJson());
  CHECK(config.ok()) << std::string(config.status().message());
  GgufParts parts;
  parts.metadata = {
      GgufString("general.architecture", "gemma4"),
      GgufInt("gemma4.block_count", 2),
      GgufInt("gemma4.embedding_length", 32),
      GgufInt("gemma4.attention.head_count", 2),
      GgufInts("gemma4.attention.head_count_kv", {2, 1}),
      GgufInt("gemma4.attention.key_length", 32),
      GgufInt("gemma4.attention.key_length_swa", 16),
      GgufInt("gemma4.attention.sliding_window", 4),
      GgufInts("gemma4.attention.sliding_window_pattern", {1, 0}),
      GgufInt("gemma4.expert_count", 2),
      GgufInt("gemma4.expert_used_count", 1),
      GgufInt("gemma4.expert_feed_forward_length", 32),
      GgufInt("gemma4.feed_forward_length", 64),
      GgufInt("gemma4.context_length", 64),
      GgufFloat("gemma4.rope.freq_base", 1e6f),
      GgufFloat("gemma4.rope.freq_base_swa", 1e4f),
      GgufFloat("gemma4.attention.layer_norm_rms_epsilon", 1e-6f),
      GgufFloat("gemma4.final_logit_softcapping", 30.0f),
      GgufString("tokenizer.ggml.model", "gemma4"),
      GgufStrings("tokenizer.ggml.tokens",
                  {"<pad>", "<eos>", "<bos>", "<unk>", "a", "b", "<turn|>", "ab"}),
      GgufInts("tokenizer.ggml.token_type", {3, 3, 3, 2, 1, 1, 3, 1}),
      GgufStrings("tokenizer.ggml.merges", {"a b"}),
      GgufInt("tokenizer.ggml.eos_token_id", 1),
  };
  for (const TensorSpec& spec : TensorTable(*config))
    parts.tensors.push_back(F32Tensor(spec.gguf_name, spec.shape));
  // 16 pairs of a global head, a quarter of them rotated.
  FileTensor freqs{.name = "rope_freqs.weight", .shape = {16}};
  for (int i = 0; i < 16; ++i) freqs.bytes += Raw(i < 4 ? 1.0f : 1e30f);
  parts.tensors.push_back(freqs);
  return parts;
}

std::string WriteMini(const std::vector<FileTensor>& tensors, const std::string& config_json) {
  std::string folder = NewFolder();
  WriteFile(folder + "/config.json", config_json);
  WriteFile(folder + "/model.safetensors", SafetensorsOf(tensors));
  return folder;
}

std::string WriteGguf(const GgufParts& parts) {
  std::string path = NewFolder() + "/model.gguf";
  WriteFile(path, GgufOf(parts));
  return path;
}

FileTensor& Named(const std::string& name, std::vector<FileTensor>* tensors) {
  for (FileTensor& tensor : *tensors) {
    if (tensor.name == name) return tensor;
  }
  CHECK(false) << "no tensor " << name;
  __builtin_unreachable();
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  CHECK(at != std::string::npos && text.find(from, at + 1) == std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

}  // namespace coterie

// config.json → ModelConfig. Field names and defaults: transformers' Gemma4TextConfig.
#include <set>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/config.h"
#include "simdjson.h"

namespace coterie {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

// Reads fields of one object and remembers the first that is missing or of another type.
class Fields {
 public:
  explicit Fields(object fields) : fields_(fields) {
    // Which of two values counts is a matter of the reader: a file that holds both is not taken.
    std::set<std::string_view> seen;
    for (const auto& [key, value] : fields_) {
      if (seen.insert(key).second) continue;
      Fail(absl::InvalidArgumentError(absl::StrCat(
          "config.json: \"", absl::string_view(key.data(), key.size()), "\" is there twice")));
    }
  }

  bool Has(std::string_view key) const {
    element value;
    return fields_.at_key(key).get(value) == simdjson::SUCCESS && !value.is_null();
  }
  template <typename T>
  T Get(std::string_view key) {
    T value{};
    if (fields_.at_key(key).get(value) != simdjson::SUCCESS && status_.ok()) {
      status_ = absl::InvalidArgumentError(absl::StrCat("config.json: \"",
                                                        absl::string_view(key.data(), key.size()),
                                                        "\" is missing or of another type"));
    }
    return value;
  }
  template <typename T>
  T GetOr(std::string_view key, T fallback) {
    return Has(key) ? Get<T>(key) : fallback;
  }
  void Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }

 private:
  object fields_;
  absl::Status status_;
};

absl::Status Unserved(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(
      "config.json: ", what, "; this program serves Gemma 4 with routed experts (26B-A4B) only"));
}

absl::Status CheckArchitecture(Fields& outer, Fields& text) {
  const std::string_view type =
      text.GetOr<std::string_view>("model_type", outer.GetOr<std::string_view>("model_type", ""));
  if (type != "gemma4_text" && type != "gemma4")
    return Unserved(
        absl::StrCat("model_type is \"", absl::string_view(type.data(), type.size()), "\""));
  if (!text.GetOr<bool>("enable_moe_block", false))
    return Unserved("a Gemma 4 without experts (enable_moe_block is false)");
  if (text.GetOr<int64_t>("hidden_size_per_layer_input", 256) != 0)
    return Unserved("per-layer input embeddings (hidden_size_per_layer_input is not 0)");
  if (text.GetOr<bool>("attention_bias", false))
    return Unserved("attention with biases (attention_bias is true)");
  if (text.GetOr<int64_t>("num_kv_shared_layers", 0) != 0)
    return Unserved("KV shared between layers (num_kv_shared_layers is not 0)");
  if (!text.GetOr<bool>("attention_k_eq_v", false))
    return Unserved("global layers with a V projection (attention_k_eq_v is false)");
  if (!text.GetOr<bool>("tie_word_embeddings", true) ||
      !outer.GetOr<bool>("tie_word_embeddings", true))
    return Unserved("an untied head (tie_word_embeddings is false)");
  if (text.Has("use_bidirectional_attention") &&
      text.GetOr<std::string_view>("use_bidirectional_attention", "") != "vision") {
    return Unserved("text that attends to what follows it (use_bidirectional_attention)");
  }
  const std::string_view activation =
      text.GetOr<std::string_view>("hidden_activation", "gelu_pytorch_tanh");
  if (activation != "gelu_pytorch_tanh")
    return Unserved(absl::StrCat("activation \"",
                                 absl::string_view(activation.data(), activation.size()), "\""));
  RETURN_IF_ERROR(outer.status());
  return text.status();
}

void ReadLayerTypes(Fields& text, ModelConfig* c) {
  simdjson::dom::array types = text.Get<simdjson::dom::array>("layer_types");
  if (!text.status().ok()) return;
  for (element type : types) {
    std::string_view name;
    if (type.get(name) != simdjson::SUCCESS ||
        (name != "sliding_attention" && name != "full_attention")) {
      return text.Fail(
          absl::InvalidArgumentError("config.json: layer_types holds something other than "
                                     "\"sliding_attention\" and \"full_attention\""));
    }
    c->layer_is_global.push_back(name == "full_attention");
  }
}

// Global shapes: flat fields, or, in files saved by transformers 5.15 and later, a map from layer
// index to shape.
void ReadGlobalShapes(Fields& text, ModelConfig* c) {
  c->head_dim_global = text.GetOr<int64_t>("global_head_dim", c->head_dim_sliding);
  c->num_kv_heads_global =
      text.GetOr<int64_t>("num_global_key_value_heads", c->num_kv_heads_sliding);
  if (!text.Has("per_layer_config")) return;
  const object layers = text.Get<object>("per_layer_config");
  if (!text.status().ok()) return;
  bool first = true;
  for (const auto& [key, value] : layers) {
    object shape;
    if (value.get(shape) != simdjson::SUCCESS)
      return text.Fail(absl::InvalidArgumentError(
          "config.json: per_layer_config holds something other than objects"));
    int64_t layer = -1;
    if (!absl::SimpleAtoi(absl::string_view(key.data(), key.size()), &layer) || layer < 0 ||
        layer >= static_cast<int64_t>(c->layer_is_global.size()) ||
        !c->layer_is_global[static_cast<size_t>(layer)]) {
      return text.Fail(absl::UnimplementedError(absl::StrCat(
          "config.json: per_layer_config gives \"", absl::string_view(key.data(), key.size()),
          "\" a shape of its own; only layers of full_attention have one")));
    }
    Fields fields(shape);
    const int64_t head_dim = fields.GetOr<int64_t>("head_dim", c->head_dim_global),
                  kv_heads = fields.GetOr<int64_t>("num_key_value_heads", c->num_kv_heads_global);
    text.Fail(fields.status());
    if (!first && (head_dim != c->head_dim_global || kv_heads != c->num_kv_heads_global)) {
      return text.Fail(absl::UnimplementedError(
          "config.json: per_layer_config gives global layers different shapes"));
    }
    first = false;
    c->head_dim_global = head_dim;
    c->num_kv_heads_global = kv_heads;
  }
}

// A scaled or otherwise formed rotation gives plausible text that is wrong further on, so it is
// refused.
void CheckRopeForm(Fields& rope, const char* layers, std::string_view expected, Fields* text) {
  const std::string_view type = rope.GetOr<std::string_view>("rope_type", "default");
  if (type != expected) {
    text->Fail(Unserved(absl::StrCat("rope_type of ", layers, " is \"",
                                     absl::string_view(type.data(), type.size()), "\", not \"",
                                     absl::string_view(expected.data(), expected.size()), "\"")));
  }
  if (rope.GetOr<double>("factor", 1.0) != 1.0)
    text->Fail(Unserved(absl::StrCat("a scaled rotation (factor of ", layers, " is not 1)")));
}

void ReadRope(Fields& text, ModelConfig* c) {
  const object rope = text.Get<object>("rope_parameters");
  if (!text.status().ok()) return;
  Fields types(rope);
  const object sliding_object = types.Get<object>("sliding_attention"),
               global_object = types.Get<object>("full_attention");
  text.Fail(types.status());
  if (!types.status().ok()) return;
  Fields sliding(sliding_object), global(global_object);
  CheckRopeForm(sliding, "sliding_attention", "default", &text);
  CheckRopeForm(global, "full_attention", "proportional", &text);
  if (sliding.GetOr<double>("partial_rotary_factor", 1.0) != 1.0)
    text.Fail(Unserved("sliding layers that rotate a part of their dimensions"));
  c->rope_theta_sliding = sliding.Get<double>("rope_theta");
  c->rope_theta_global = global.Get<double>("rope_theta");
  c->rope_partial_global = global.GetOr<double>("partial_rotary_factor", 1.0);
  text.Fail(sliding.status());
  text.Fail(global.status());
}

absl::Status AppendId(element value, std::vector<int32_t>* ids) {
  int64_t id = 0;
  if (value.get(id) != simdjson::SUCCESS)
    return absl::InvalidArgumentError(
        "eos_token_id is neither a whole number nor a list of whole numbers");
  ids->push_back(TokenIdFromFile(id));
  return absl::OkStatus();
}

// One id, several, or null for none.
absl::Status AppendIds(element value, std::vector<int32_t>* ids) {
  simdjson::dom::array list;
  if (value.is_null()) return absl::OkStatus();
  if (value.get(list) != simdjson::SUCCESS) return AppendId(value, ids);
  for (element entry : list) RETURN_IF_ERROR(AppendId(entry, ids));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> EosIdsFromJson(absl::string_view json) {
  simdjson::dom::parser parser;
  element root, ids;
  if (parser.parse(simdjson::padded_string(json.data(), json.size())).get(root) !=
      simdjson::SUCCESS) {
    return absl::InvalidArgumentError("generation_config.json is not valid JSON");
  }
  std::vector<int32_t> result;
  if (root.at_key("eos_token_id").get(ids) == simdjson::SUCCESS)
    RETURN_IF_ERROR(Annotate(AppendIds(ids, &result), "generation_config.json"));
  return result;
}

absl::StatusOr<ModelConfig> ModelConfigFromJson(absl::string_view json) {
  simdjson::dom::parser parser;
  element root;
  const simdjson::padded_string padded(json.data(), json.size());
  object outer_object;
  if (const auto error = parser.parse(padded).get(root); error != simdjson::SUCCESS) {
    return absl::InvalidArgumentError(
        absl::StrCat("config.json is not valid JSON: ", simdjson::error_message(error)));
  }
  if (root.get(outer_object) != simdjson::SUCCESS)
    return absl::InvalidArgumentError("config.json is not an object");
  Fields outer(outer_object);
  object text_object = outer_object;
  if (outer.Has("text_config")) text_object = outer.Get<object>("text_config");
  RETURN_IF_ERROR(outer.status());
  Fields text(text_object);
  RETURN_IF_ERROR(CheckArchitecture(outer, text));

  ModelConfig c;
  c.num_layers = text.Get<int64_t>("num_hidden_layers");
  c.model_dim = text.Get<int64_t>("hidden_size");
  c.num_heads = text.Get<int64_t>("num_attention_heads");
  c.num_kv_heads_sliding = text.Get<int64_t>("num_key_value_heads");
  c.head_dim_sliding = text.Get<int64_t>("head_dim");
  c.sliding_window = text.Get<int64_t>("sliding_window");
  c.num_experts = text.Get<int64_t>("num_experts");
  c.experts_per_token = text.Get<int64_t>("top_k_experts");
  c.expert_dim = text.Get<int64_t>(text.Has("moe_intermediate_size") ? "moe_intermediate_size"
                                                                     : "expert_intermediate_size");
  c.dense_dim = text.Get<int64_t>("intermediate_size");
  c.vocab_size = text.Get<int64_t>("vocab_size");
  c.max_positions = text.GetOr<int64_t>("max_position_embeddings", 131072);
  c.norm_eps = static_cast<float>(text.GetOr<double>("rms_norm_eps", 1e-6));
  c.logit_softcap = static_cast<float>(text.Get<double>("final_logit_softcapping"));
  c.bos_id = TokenIdFromFile(text.GetOr<int64_t>("bos_token_id", 2));
  c.pad_id = TokenIdFromFile(text.GetOr<int64_t>("pad_token_id", 0));
  ReadLayerTypes(text, &c);
  ReadGlobalShapes(text, &c);
  ReadRope(text, &c);
  RETURN_IF_ERROR(text.status());
  for (const object& fields : {outer_object, text_object}) {
    element ids;
    if (fields.at_key("eos_token_id").get(ids) == simdjson::SUCCESS)
      RETURN_IF_ERROR(Annotate(AppendIds(ids, &c.eos_ids), "config.json"));
  }
  RETURN_IF_ERROR(c.Validate());
  return c;
}

}  // namespace coterie

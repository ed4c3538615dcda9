// config.json. Goal: both spellings give the same configuration, and everything that this program
// does not compute is refused by name. Method: one small config.json with one thing changed.
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/model/files/mini_checkpoint.h"

namespace coterie {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::Status StatusOf(const std::string& json) { return ModelConfigFromJson(json).status(); }

TEST(ConfigTest, ReadsFlatGlobalShapes) {
  const auto c = ModelConfigFromJson(MiniConfigJson());
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(c->num_layers, 2);
  EXPECT_EQ(c->head_dim(0), 16);
  EXPECT_EQ(c->head_dim(1), 32);
  EXPECT_EQ(c->kv_dim(0), 32);
  EXPECT_EQ(c->kv_dim(1), 32);
  EXPECT_EQ(c->num_rope_pairs(0), 8);
  EXPECT_EQ(c->num_rope_pairs(1), 4);
  EXPECT_EQ(c->experts_per_token, 1);
  EXPECT_EQ(c->expert_dim, 32);
  EXPECT_THAT(c->eos_ids, testing::UnorderedElementsAre(1, 6, 1));
}

TEST(ConfigTest, ReadsPerLayerShapes) {
  const std::string json =
      Replaced(Replaced(MiniConfigJson(), R"("num_global_key_value_heads": 1, )", ""),
               R"("global_head_dim": 32,)",
               R"("per_layer_config": {"1": {"head_dim": 32, "num_key_value_heads": 1}},)");
  const auto c = ModelConfigFromJson(json);
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(c->head_dim_global, 32);
  EXPECT_EQ(c->num_kv_heads_global, 1);
}

TEST(ConfigTest, ReadsTheEarlySpellingOfTheExpertDimension) {
  const auto c = ModelConfigFromJson(
      Replaced(MiniConfigJson(), "moe_intermediate_size", "expert_intermediate_size"));
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ(c->expert_dim, 32);
}

TEST(ConfigTest, GlobalFrequenciesDivideByTheHeadDimension) {
  const std::vector<float> frequencies = Gemma4_26B().InverseFrequencies(5);
  ASSERT_EQ(frequencies.size(), 64u);
  EXPECT_EQ(frequencies[0], 1.0f);
  EXPECT_FLOAT_EQ(frequencies[63], static_cast<float>(std::pow(1e6, -126.0 / 512.0)));
  EXPECT_EQ(Gemma4_26B().EmbeddingScale(), 53.0f);
}

TEST(ConfigTest, GenerationConfigGivesOneEndTokenOrSeveral) {
  EXPECT_THAT(*EosIdsFromJson(R"({"eos_token_id": [1, 106, 50]})"), ElementsAre(1, 106, 50));
  EXPECT_THAT(*EosIdsFromJson(R"({"eos_token_id": 106})"), ElementsAre(106));
  EXPECT_THAT(*EosIdsFromJson(R"({"eos_token_id": null})"), ElementsAre());
  EXPECT_THAT(*EosIdsFromJson("{}"), ElementsAre());
  EXPECT_FALSE(EosIdsFromJson(R"({"eos_token_id": "end"})").ok());
  EXPECT_FALSE(EosIdsFromJson("{").ok());
}

struct Change {
  const char* from;
  const char* to;
  absl::StatusCode code;
  const char* message;
};

constexpr auto kUnserved = absl::StatusCode::kUnimplemented;
constexpr auto kBad = absl::StatusCode::kInvalidArgument;

const Change kChanges[] = {
    {R"("model_type": "gemma4_text")", R"("model_type": "llama")", kUnserved, "\"llama\""},
    {R"("enable_moe_block": true)", R"("enable_moe_block": false)", kUnserved, "without experts"},
    {R"("hidden_size_per_layer_input": 0)", R"("hidden_size_per_layer_input": 256)", kUnserved,
     "per-layer input embeddings"},
    {R"("hidden_size_per_layer_input": 0,)", "", kUnserved, "per-layer input embeddings"},
    {R"("num_kv_shared_layers": 0)", R"("num_kv_shared_layers": 1)", kUnserved, "shared"},
    {R"("attention_k_eq_v": true)", R"("attention_k_eq_v": false)", kUnserved, "V projection"},
    {R"("attention_bias": false)", R"("attention_bias": true)", kUnserved, "biases"},
    {R"("rope_type": "default")", R"("rope_type": "yarn")", kUnserved, "\"yarn\""},
    {R"("rope_type": "proportional")", R"("rope_type": "default")", kUnserved, "\"proportional\""},
    {R"("rope_type": "default",)", R"("rope_type": "default", "factor": 8.0,)", kUnserved,
     "scaled"},
    {R"("partial_rotary_factor": 0.25)", R"("partial_rotary_factor": 1e300)", kBad,
     "partial rotary factor"},
    {R"("hidden_size": 32)", R"("hidden_size": "32")", kBad, "\"hidden_size\" is missing or of"},
    {R"("hidden_size": 32, )", "", kBad, "\"hidden_size\" is missing"},
    {R"("hidden_size": 32)", R"("hidden_size": 64, "hidden_size": 32)", kBad, "is there twice"},
    {R"("attention_bias": false)",
     R"("attention_bias": false, "use_bidirectional_attention": "all")", kUnserved,
     "attends to what follows"},
    {R"("global_head_dim": 32,)",
     R"("per_layer_config": {"0": {"head_dim": 32, "num_key_value_heads": 1}},)", kUnserved,
     "\"0\" a shape of its own"},
    {R"("model_type": "gemma4",)", R"("model_type": "gemma4", "tie_word_embeddings": false,)",
     kUnserved, "untied head"},
    {R"("num_hidden_layers": 2)", R"("num_hidden_layers": 3)", kBad, "2 layer types for 3 layers"},
    {R"("num_experts": 2)", R"("num_experts": 9223372036854775807)", kBad, "number of experts"},
    {R"("top_k_experts": 1)", R"("top_k_experts": 3)", kBad, "experts per token is 3"},
    {R"("num_attention_heads": 2)", R"("num_attention_heads": 3)", kBad, "not a multiple of"},
    {R"("vocab_size": 8)", R"("vocab_size": -8)", kBad, "vocabulary size is -8"},
    {R"("sliding_attention", "full_attention"])", R"("sliding_attention", "linear"])", kBad,
     "layer_types"},
    {R"("rms_norm_eps": 1e-06)", R"("rms_norm_eps": 0.0)", kBad, "norm epsilon"},
    {R"("final_logit_softcapping": 30.0)", R"("final_logit_softcapping": null)", kBad,
     "final_logit_softcapping"},
    {R"("rope_theta": 1000000.0)", R"("rope_theta": 0.5)", kBad, "RoPE bases"},
    // 2^32 + 1 must not become the valid id 1.
    {R"("eos_token_id": [1, 6])", R"("eos_token_id": [1, 4294967297])", kBad, "eos token id"},
    {R"("eos_token_id": [1, 6])", R"("eos_token_id": [1, 8])", kBad, "expected 0 to 7"},
    {R"("eos_token_id": [1, 6])", R"("eos_token_id": [1, "6"])", kBad, "whole number"},
    {R"("bos_token_id": 2)", R"("bos_token_id": 1000000)", kBad, "bos token id is 1000000"},
    {R"("pad_token_id": 0)", R"("pad_token_id": -3)", kBad, "pad token id is -1"},
};

TEST(ConfigTest, RefusesWhatItDoesNotServe) {
  for (const Change& change : kChanges) {
    const absl::Status status = StatusOf(Replaced(MiniConfigJson(), change.from, change.to));
    EXPECT_EQ(status.code(), change.code) << change.to << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(change.message));
  }
}

TEST(ConfigTest, RefusesWhatIsNoConfiguration) {
  for (const char* json : {"", "{", "[]", "7", "{}", R"({"text_config": 7})", "\xff\xfe"})
    EXPECT_FALSE(StatusOf(json).ok()) << json;
  EXPECT_FALSE(StatusOf(std::string(100000, '[')).ok());
}

}  // namespace
}  // namespace coterie

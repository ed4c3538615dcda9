// Loading. Goal: the fields hold what the file says, quantised as asked, and a damaged number is
// found by the name of its tensor. Method: the small checkpoint, whose numbers the test knows.
#include "model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/model/files/mini_checkpoint.h"

namespace coterie {
namespace {

using testing::HasSubstr;

const std::string kPrefix = "model.language_model.";

std::unique_ptr<Checkpoint> MustOpen(const std::string& path) {
  auto checkpoint = Checkpoint::Open(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? *std::move(checkpoint) : nullptr;
}

std::vector<float> Numbers(const FileTensor& tensor) {
  std::vector<float> numbers(tensor.bytes.size() / 4);
  std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
  return numbers;
}

std::vector<float> Unpacked(const PackedMatrix& matrix) {
  std::vector<float> numbers(static_cast<size_t>(matrix.num_outputs() * matrix.num_inputs()));
  for (int64_t row = 0; row < matrix.num_outputs(); ++row)
    matrix.UnpackRow(row, numbers.data() + row * matrix.num_inputs());
  return numbers;
}

class WeightsTest : public testing::Test {
 protected:
  // Puts `value` first into the tensor of that name.
  void Damage(const std::string& name, float value) {
    Named(kPrefix + name, &tensors_).bytes.replace(0, 4, Raw(value));
  }
  std::string TrunkError() {
    return std::string(LoadTrunk(*MustOpen(WriteMini(tensors_)), {}, pool_).status().message());
  }

  std::vector<FileTensor> tensors_ = MiniTensors();
  Parallel pool_{1};
};

TEST_F(WeightsTest, TrunkHoldsTheNumbersOfTheFile) {
  const auto checkpoint = MustOpen(WriteMini(tensors_));
  const auto trunk = LoadTrunk(*checkpoint, {}, pool_);
  ASSERT_TRUE(trunk.ok()) << trunk.status();
  ASSERT_EQ(trunk->layers.size(), 2u);
  const LayerWeights& layer = trunk->layers[0];
  EXPECT_EQ(Unpacked(trunk->embedding), Numbers(Named(kPrefix + "embed_tokens.weight", &tensors_)));
  EXPECT_EQ(layer.input_norm,
            Numbers(Named(kPrefix + "layers.0.input_layernorm.weight", &tensors_)));
  EXPECT_EQ(Unpacked(layer.value),
            Numbers(Named(kPrefix + "layers.0.self_attn.v_proj.weight", &tensors_)));
  EXPECT_EQ(trunk->layers[1].value.num_outputs(), 0) << "a global layer has no value projection";
  EXPECT_EQ(layer.layer_scalar, 0.5f);
  EXPECT_EQ(layer.gate.format(), DType::kF32);
  EXPECT_FLOAT_EQ(layer.gate_scale[0], 0.5f / std::sqrt(32.0f));
}

TEST_F(WeightsTest, DenseGateLiesOverDenseUp) {
  Damage("layers.0.mlp.up_proj.weight", 3.0f);
  const auto trunk = LoadTrunk(*MustOpen(WriteMini(tensors_)), {}, pool_);
  ASSERT_TRUE(trunk.ok()) << trunk.status();
  std::vector<float> expected =
      Numbers(Named(kPrefix + "layers.0.mlp.gate_proj.weight", &tensors_));
  const std::vector<float> up = Numbers(Named(kPrefix + "layers.0.mlp.up_proj.weight", &tensors_));
  expected.insert(expected.end(), up.begin(), up.end());
  EXPECT_EQ(Unpacked(trunk->layers[0].dense_gate_up), expected);
}

TEST_F(WeightsTest, QuantisesMatricesButNotTheGateAndTheEmbeddingToEightBitsAtLeast) {
  const LoadOptions options{.quantise = DType::kQ4_0};
  const auto checkpoint = MustOpen(WriteMini(tensors_));
  const auto trunk = LoadTrunk(*checkpoint, options, pool_);
  ASSERT_TRUE(trunk.ok()) << trunk.status();
  EXPECT_EQ(trunk->embedding.format(), DType::kQ8_0);
  EXPECT_EQ(trunk->layers[0].query.format(), DType::kQ4_0);
  EXPECT_EQ(trunk->layers[0].gate.format(), DType::kF32);
  const auto expert = LoadExpert(*checkpoint, 0, 1, options, pool_);
  ASSERT_TRUE(expert.ok()) << expert.status();
  EXPECT_EQ(LoadedExpertFormat(*checkpoint, options), DType::kQ4_0);
  EXPECT_EQ(expert->gate_up.format(), DType::kQ4_0);
  EXPECT_EQ(expert->down.format(), DType::kQ4_0);
}

// All experts have the format that was promised to the router, or loading fails.
TEST_F(WeightsTest, ExpertRowsThatAreNoWholeBlocksAreNotQuantised) {
  for (const char* layer : {"layers.0.", "layers.1."}) {
    for (const auto& [name, shape] :
         {std::pair<std::string, std::vector<int64_t>>{"experts.gate_up_proj", {2, 32, 32}},
          {"experts.down_proj", {2, 32, 16}}}) {
      std::string tensor = kPrefix;
      tensor.append(layer).append(name);
      Named(tensor, &tensors_) = F32Tensor(tensor, shape);
    }
  }
  const auto checkpoint =
      MustOpen(WriteMini(tensors_, Replaced(MiniConfigJson(), "\"moe_intermediate_size\": 32",
                                            "\"moe_intermediate_size\": 16")));
  EXPECT_TRUE(LoadExpert(*checkpoint, 0, 0, {}, pool_).ok());
  const auto expert = LoadExpert(*checkpoint, 0, 0, {.quantise = DType::kQ8_0}, pool_);
  EXPECT_THAT(std::string(expert.status().message()), HasSubstr("a multiple of 32"));
}

TEST_F(WeightsTest, DamagedNumbersAreFoundByTensor) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  for (const char* name :
       {"layers.1.self_attn.o_proj.weight", "layers.0.router.proj.weight",
        "layers.0.post_feedforward_layernorm_2.weight", "norm.weight", "embed_tokens.weight"}) {
    for (float value : {nan, infinity}) {
      tensors_ = MiniTensors();
      Damage(name, value);
      EXPECT_THAT(TrunkError(), HasSubstr(name));
      EXPECT_THAT(TrunkError(), HasSubstr("NaN, infinite"));
    }
  }
}

TEST_F(WeightsTest, ADamagedExpertIsFoundWhereItIsLoadedAndNowhereElse) {
  Damage("layers.1.experts.down_proj", std::numeric_limits<float>::quiet_NaN());
  const auto checkpoint = MustOpen(WriteMini(tensors_));
  EXPECT_TRUE(LoadTrunk(*checkpoint, {}, pool_).ok());
  EXPECT_TRUE(LoadExpert(*checkpoint, 1, 1, {}, pool_).ok());
  const absl::Status status = LoadExpert(*checkpoint, 1, 0, {}, pool_).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("expert 0"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("layers.1.experts.down_proj"));
}

}  // namespace
}  // namespace coterie

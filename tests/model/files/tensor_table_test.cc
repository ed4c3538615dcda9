// The table of all tensors. Goal: it is the published model's. Method: counts of the model card.
#include "model/tensor_table.h"

#include <gtest/gtest.h>

#include <set>

namespace coterie {
namespace {

TEST(TensorTableTest, HasTheTensorsAndParametersOfThePublishedModel) {
  const std::vector<TensorSpec> table = TensorTable(Gemma4_26B());
  EXPECT_EQ(table.size(), 657u);
  int64_t parameters = 0, of_experts = 0;
  std::set<std::string> names;
  for (const TensorSpec& spec : table) {
    int64_t count = 1;
    for (int64_t size : spec.shape) count *= size;
    parameters += count;
    if (spec.holder == TensorHolder::kExpert) of_experts += count;
    EXPECT_TRUE(names.insert(spec.safetensors_name).second) << spec.safetensors_name;
    EXPECT_TRUE(names.insert(spec.gguf_name).second) << spec.gguf_name;
  }
  EXPECT_EQ(parameters, 25'233'141'790);
  EXPECT_EQ(of_experts, 22'837'985'280);
}

TEST(TensorTableTest, GlobalLayersHaveNoValueProjection) {
  int num_values = 0;
  for (const TensorSpec& spec : TensorTable(Gemma4_26B())) {
    if (spec.role != TensorRole::kValue) continue;
    ++num_values;
    EXPECT_NE(spec.layer % 6, 5) << spec.safetensors_name;
  }
  EXPECT_EQ(num_values, 25);
}

}  // namespace
}  // namespace coterie

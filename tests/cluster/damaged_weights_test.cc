// Weights that are finite but out of range. Goal: the request ends with INTERNAL, never with
// tokens, in one process as with workers. Method: a copy of the small checkpoint in which one
// tensor's values are near the largest float.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernels/check.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

// Overwrites every value of a tensor of a safetensors file.
void Overwrite(const std::string& path, const std::string& tensor, float value) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  std::string bytes = text.str();
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const size_t entry = bytes.find('"' + tensor + '"');
  CHECK(entry != std::string::npos) << tensor;
  const size_t offsets = bytes.find("\"data_offsets\":[", entry) + 16;
  size_t begin = 0, end = 0;
  CHECK_EQ(std::sscanf(bytes.c_str() + offsets, "%zu,%zu", &begin, &end), 2);
  for (size_t at = begin; at < end; at += sizeof(value))
    std::memcpy(&bytes[8 + header + at], &value, sizeof(value));
  std::ofstream(path, std::ios::binary) << bytes;
}

class DamagedWeightsTest : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(DamagedWeightsTest, EndTheRequestWithInternal) {
  const std::string model = testing::TempDir() + "/damaged";
  std::filesystem::remove_all(model);
  std::filesystem::copy(kCheckpoints + "tiny_f32", model);
  for (const auto& file : std::filesystem::directory_iterator(model))
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  for (const char* tensor : {"pre_feedforward_layernorm_2.weight", "mlp.down_proj.weight"})
    Overwrite(model + "/model.safetensors", "model.language_model.layers.2." + std::string(tensor),
              3e38f);
  Cluster cluster({.model = model, .shards = GetParam()});
  const Reply reply = cluster.Generate(TokensRequest(ReadGoldens()[0].prompt, 4));
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INTERNAL) << reply.status.error_message();
  EXPECT_THAT(reply.status.error_message(), testing::HasSubstr("NaN or infinite"));
  EXPECT_TRUE(reply.tokens.empty());
}

INSTANTIATE_TEST_SUITE_P(Arrangements, DamagedWeightsTest,
                         testing::Values(std::vector<std::string>{},
                                         std::vector<std::string>{"0/2", "1/2"}),
                         [](const auto& test) {
                           return test.param.empty() ? "OneProcess" : "TwoWorkers";
                         });

}  // namespace
}  // namespace coterie

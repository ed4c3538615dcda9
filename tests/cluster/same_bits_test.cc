// Logits and tokens do not depend on where the experts are: one process, or 1, 2, 4 and 8 workers
// over gRPC, with any split.
#include <gtest/gtest.h>

#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"
#include "tests/testing/local_forward.h"

namespace coterie {
namespace {

struct Case {
  const char* model;
  std::vector<std::string> shards;
};

class SameBitsTest : public testing::TestWithParam<Case> {};

TEST_P(SameBitsTest, AsInOneProcess) {
  const std::string model = kCheckpoints + GetParam().model;
  std::vector<std::unique_ptr<WorkerServer>> workers;
  std::vector<std::string> addresses;
  for (const std::string& shard : GetParam().shards) {
    workers.push_back(std::make_unique<WorkerServer>(model, shard));
    addresses.push_back(workers.back()->address());
  }
  LocalForward local({.model = model}), remote({.model = model, .workers = addresses});
  const std::vector<Golden> goldens = ReadGoldens();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(remote.Logits(goldens[i].prompt, 1 + static_cast<int64_t>(i) * 5),
              local.Logits(goldens[i].prompt))
        << "prompt " << i;
  }
  EXPECT_EQ(remote.Greedy(goldens[5].prompt, 16), local.Greedy(goldens[5].prompt, 16));
}

INSTANTIATE_TEST_SUITE_P(
    Splits, SameBitsTest,
    testing::Values(Case{"tiny_f32", {"0/1"}}, Case{"tiny_f32", {"0/2", "1/2"}},
                    Case{"tiny_f32", {"0/4", "1/4", "2/4", "3/4"}},
                    Case{"tiny_q4_0.gguf",
                         {"0/8", "1/8", "2/8", "3/8", "4/8", "5/8", "6/8", "7/8"}},
                    Case{"tiny_q8_0.gguf", {"", ""}}, Case{"tiny_bf16", {"0,2-4,7", "1,5,6"}},
                    Case{"tiny_q4_0.gguf", {"0-2:0-7;3-5:0-3", "3-5:2-7"}},
                    Case{"tiny_f32", {"0/1", "0/1"}},
                    Case{"tiny256_q4_0_q6_k.gguf", {"1/3", "0/3", "2/3"}}));

}  // namespace
}  // namespace coterie

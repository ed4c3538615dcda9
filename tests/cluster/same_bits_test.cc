// Logits and tokens do not depend on where the experts are: one process, or 1, 2, 4 and 8 workers
// over gRPC, with any split.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
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

// Every format with 1, 2, 4 and 8 workers.
std::vector<Case> EvenSplits() {
  std::vector<Case> cases;
  for (const char* model :
       {"tiny_f32", "tiny_bf16", "tiny_q8_0.gguf", "tiny_q4_0.gguf", "tiny256_q4_0_q6_k.gguf"}) {
    for (int count : {1, 2, 4, 8}) {
      Case split{model, {}};
      for (int i = 0; i < count; ++i) split.shards.push_back(absl::StrCat(i, "/", count));
      cases.push_back(std::move(split));
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Even, SameBitsTest, testing::ValuesIn(EvenSplits()));

// Workers that are told their shard, uneven ones, some experts held twice, an odd number.
INSTANTIATE_TEST_SUITE_P(Odd, SameBitsTest,
                         testing::Values(Case{"tiny_q8_0.gguf", {"", ""}},
                                         Case{"tiny_bf16", {"0,2-4,7", "1,5,6"}},
                                         Case{"tiny_q4_0.gguf", {"0-2:0-7;3-5:0-3", "3-5:2-7"}},
                                         Case{"tiny_f32", {"0/1", "0/1"}},
                                         Case{"tiny256_q4_0_q6_k.gguf", {"1/3", "0/3", "2/3"}}));

}  // namespace
}  // namespace coterie

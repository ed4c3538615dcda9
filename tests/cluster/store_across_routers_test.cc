// Contexts that go through a store to routers whose experts are elsewhere: the same bits, and
// found, whatever the number of workers of either.
#include <gtest/gtest.h>

#include "kv_store/client/memory_block_store.h"
#include "tests/testing/cluster.h"
#include "tests/testing/goldens.h"
#include "tests/testing/store_router.h"

namespace coterie {
namespace {

class StoreAcrossRoutersTest : public testing::TestWithParam<const char*> {
 protected:
  std::vector<std::string> StartWorkers(const std::vector<std::string>& shards) {
    std::vector<std::string> addresses;
    for (const std::string& shard : shards) {
      workers_.push_back(std::make_unique<WorkerServer>(model_, shard));
      addresses.push_back(workers_.back()->address());
    }
    return addresses;
  }

  const std::string model_ = kCheckpoints + GetParam();
  std::vector<std::unique_ptr<WorkerServer>> workers_;
  MemoryBlockStore store_{size_t{64} << 20};
};

TEST_P(StoreAcrossRoutersTest, EachContinuesWhatTheOthersHaveComputed) {
  StoreRouter plain({.model = model_});
  StoreRouter one({.model = model_, .store = &store_}),
      two({.model = model_, .store = &store_, .workers = StartWorkers({"0/2", "1/2"})}),
      three({.model = model_, .store = &store_, .workers = StartWorkers({"2/3", "0/3", "1/3"})});
  StoreRouter* const routers[] = {&one, &two, &three};
  std::vector<int32_t> context = SomeTokens(140, 4);
  for (uint32_t turn = 0; turn < 9; ++turn) {
    StoreRouter& router = *routers[turn * 2 % 3];
    const StoreRouter::Answer answer = router.Ask(context, 20);
    EXPECT_EQ(answer, plain.Ask(context, 20)) << "turn " << turn;
    if (turn > 0) {
      EXPECT_GE(answer.cached_tokens, static_cast<int64_t>(context.size()) - 37 - 64)
          << "turn " << turn;
    }
    router.Flush();
    context.insert(context.end(), answer.tokens.begin(), answer.tokens.end());
    const std::vector<int32_t> question = SomeTokens(17, turn);
    context.insert(context.end(), question.begin(), question.end());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StoreAcrossRoutersTest,
                         testing::Values("tiny_f32", "tiny_bf16", "tiny_q4_0.gguf"));

}  // namespace
}  // namespace coterie

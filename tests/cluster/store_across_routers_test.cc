// Contexts that go through a store to routers whose experts are elsewhere: the same bits, and
// found, whatever the number of workers of either.
#include <gtest/gtest.h>

#include "kv_store/client/grpc_block_store.h"
#include "kv_store/client/memory_block_store.h"
#include "tests/kv_store/test_node.h"
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

// The same through two kv_store nodes, of which one dies on the way.
TEST_P(StoreAcrossRoutersTest, NodesKeepThemAndOneThatDiesCostsNoAnswer) {
  TestNode a, b;
  const auto nodes = GrpcBlockStore::Create({.members = {a.address(), b.address()}, .copies = 2});
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  StoreRouter plain({.model = model_}), first({.model = model_, .store = nodes->get()});
  for (uint32_t seed = 0; seed < 4; ++seed) {
    const std::vector<int32_t> prompt = SomeTokens(300, 10 + seed);
    const StoreRouter::Answer expected = plain.Ask(prompt);
    EXPECT_EQ(first.Ask(prompt), expected) << seed;
    first.Flush();
    ASSERT_TRUE((*nodes)->Flush(absl::Now() + absl::Seconds(30)));
    if (seed == 2) a.Stop();
    StoreRouter second({.model = model_, .store = nodes->get()});
    const StoreRouter::Answer answer = second.Ask(prompt);
    EXPECT_EQ(answer, expected) << seed;
    if (seed < 2) {
      EXPECT_EQ(answer.cached_tokens, 256) << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StoreAcrossRoutersTest,
                         testing::Values("tiny_f32", "tiny_bf16", "tiny_q4_0.gguf"));

}  // namespace
}  // namespace coterie

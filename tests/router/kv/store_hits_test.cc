// Contexts that go through a store and come to another router, or come back to the same one.
// Goal: an answer from what was stored is the answer that would have been computed, bit for bit,
// wherever the contexts part. Method: every prompt is asked of a router behind the store and of one
// without; tokens and the eight best logprobs of each must be equal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/fake_block_store.h"
#include "tests/testing/goldens.h"
#include "tests/testing/store_router.h"

namespace coterie {
namespace {

using ::testing::Ge;
using ::testing::Le;

struct Case {
  std::string model;
  std::optional<KvType> kv_type;
  int32_t vocab = 300;
  int64_t window = 8;
};

class StoreHitsTest : public testing::TestWithParam<Case> {
 protected:
  std::unique_ptr<StoreRouter> Router(BlockStore* store) {
    return std::make_unique<StoreRouter>(StoreRouter::Options{
        .model = GetParam().model, .store = store, .kv_type = GetParam().kv_type});
  }
  std::vector<int32_t> Tokens(int64_t count, uint32_t seed) const {
    return SomeTokens(count, seed, GetParam().vocab);
  }
  static std::vector<int32_t> Cut(std::vector<int32_t> tokens, int64_t length) {
    tokens.resize(static_cast<size_t>(length));
    return tokens;
  }
  static std::vector<int32_t> Join(std::vector<int32_t> a, const std::vector<int32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  FakeBlockStore store_;
};

// Each context once more on a router that has never seen it: it finds all whole blocks but the one
// that holds the last token.
TEST_P(StoreHitsTest, ARouterContinuesWhatAnotherHasComputed) {
  const auto plain = Router(nullptr);
  for (const int64_t length : {65, 127, 128, 129, 130, 191, 192, 193, 200, 257, 320, 321, 400}) {
    const std::vector<int32_t> prompt = Tokens(length, static_cast<uint32_t>(length));
    const auto first = Router(&store_), second = Router(&store_);
    const StoreRouter::Answer expected = plain->Ask(prompt);
    EXPECT_EQ(first->Ask(prompt), expected) << length;
    first->Flush();
    const StoreRouter::Answer hit = second->Ask(prompt);
    EXPECT_EQ(hit, expected) << length;
    EXPECT_EQ(hit.cached_tokens, (length - 1) / 64 * 64) << length;
    EXPECT_EQ(second->Counted("router_kv_store_tokens_total", "fetched"), hit.cached_tokens);
  }
}

// A context that parts from a stored one at every offset around block and window borders.
TEST_P(StoreHitsTest, WhereverAContextPartsFromAStoredOneTheBitsAreTheSame) {
  const auto plain = Router(nullptr), writer = Router(&store_), reader = Router(&store_);
  const std::vector<int32_t> stored = Tokens(330, 5);
  std::vector<int64_t> cuts;
  for (const int64_t border : {64, 128, 192, 256, 320}) {
    for (const int64_t window : {int64_t{0}, GetParam().window}) {
      for (int64_t delta = -2; delta <= 2; ++delta) cuts.push_back(border + delta - window);
    }
  }
  EXPECT_EQ(writer->Ask(stored), plain->Ask(stored));
  uint32_t seed = 100;
  for (const int64_t cut : cuts) {
    if (cut < 1 || cut > 330) continue;
    // The writer parts there too, and makes a checkpoint where it does.
    const std::vector<int32_t> prompt = Join(Cut(stored, cut), Tokens(70, ++seed));
    const StoreRouter::Answer expected = plain->Ask(prompt);
    EXPECT_EQ(writer->Ask(prompt), expected) << cut;
    writer->Flush();
    EXPECT_EQ(reader->Ask(prompt), expected) << cut;
    const std::vector<int32_t> other = Join(Cut(stored, cut), Tokens(70, seed + 1000));
    EXPECT_EQ(reader->Ask(other), plain->Ask(other)) << cut;
  }
  EXPECT_THAT(reader->Counted("router_kv_store_tokens_total", "fetched"), Ge(1000));
  EXPECT_EQ(reader->Counted("router_kv_store_tokens_total", "failed"), 0);
}

// A conversation whose turns go to two routers in turn: it grows, shrinks (a compaction) and parts
// in its last block.
TEST_P(StoreHitsTest, AConversationWandersBetweenRouters) {
  const auto plain = Router(nullptr);
  const std::unique_ptr<StoreRouter> routers[] = {Router(&store_), Router(&store_)};
  std::vector<int32_t> context = Tokens(150, 9);
  for (uint32_t turn = 0; turn < 12; ++turn) {
    StoreRouter& router = *routers[turn % 2];
    const StoreRouter::Answer answer = router.Ask(context, 20);
    EXPECT_EQ(answer, plain->Ask(context, 20)) << "turn " << turn;
    if (turn > 0 && turn != 6 && turn != 9) {
      // All of the turn before but its last block, or what is computed again at its end.
      EXPECT_THAT(answer.cached_tokens, Ge(static_cast<int64_t>(context.size()) - 37 - 64 - 63))
          << "turn " << turn;
    }
    router.Flush();
    context = Join(Join(context, answer.tokens), Tokens(17, turn));
    if (turn == 5) context = Join(Cut(context, 140), Tokens(30, 77));
    if (turn == 8) context.back() = context.back() == 5 ? 6 : 5;
    if (turn == 8) context = Cut(context, static_cast<int64_t>(context.size()) / 64 * 64 + 1);
  }
  for (const auto& router : routers)
    EXPECT_EQ(router->Counted("router_kv_store_tokens_total", "failed"), 0);
}

// What was forgotten for want of memory comes back.
TEST_P(StoreHitsTest, WhatTheCacheForgotComesBack) {
  const auto plain = Router(nullptr);
  StoreRouter small({.model = GetParam().model,
                     .store = &store_,
                     .kv_type = GetParam().kv_type,
                     .kv_bytes = plain->stack().cache().BytesFor(700),
                     .max_context = 600});
  for (int round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 6; ++i) {
      const std::vector<int32_t> prompt = Tokens(400, 40 + i);
      const StoreRouter::Answer answer = small.Ask(prompt);
      EXPECT_EQ(answer, plain->Ask(prompt));
      if (round == 1) {
        EXPECT_EQ(answer.cached_tokens, 384);
      }
      small.Flush();
    }
  }
  EXPECT_THAT(small.Counted("router_kv_store_tokens_total", "fetched"), Ge(4 * 384));
}

TEST_P(StoreHitsTest, EveryObjectIsWrittenOnce) {
  const auto router = Router(&store_);
  const std::vector<int32_t> prompt = Tokens(400, 3);
  for (int i = 0; i < 3; ++i) router->Ask(prompt, 70);
  router->Flush();
  const FakeBlockStore::Counts counts = store_.counts();
  EXPECT_EQ(counts.put_kinds.at(BlockKind::kGlobal), 469 / 64);
  EXPECT_THAT(counts.put_kinds.at(BlockKind::kLocal), Le(469 / 64));
  EXPECT_THAT(counts.put_kinds.at(BlockKind::kCheckpoint), Ge(2));
  EXPECT_EQ(counts.puts_again, 0);
}

INSTANTIATE_TEST_SUITE_P(Models, StoreHitsTest,
                         testing::Values(Case{kCheckpoints + "tiny_f32", std::nullopt},
                                         Case{kCheckpoints + "tiny_bf16", std::nullopt},
                                         Case{kCheckpoints + "tiny_q4_0.gguf", std::nullopt},
                                         Case{kCheckpoints + "tiny_q4_0.gguf", KvType::kF32},
                                         // A window of several blocks.
                                         Case{"tools/demo_model/checkpoint", KvType::kBF16, 4000,
                                              128}));

TEST(StoreSharingTest, TenantsModelsAndFormsShareNothing) {
  FakeBlockStore store;
  const std::string model = kCheckpoints + "tiny_f32";
  StoreRouter f32({.model = model, .store = &store}),
      bf16({.model = model, .store = &store, .kv_type = KvType::kBF16}),
      other({.model = kCheckpoints + "tiny_bf16", .store = &store, .kv_type = KvType::kF32});
  const std::vector<int32_t> prompt = SomeTokens(300, 1);
  f32.Ask(prompt, 4, "a");
  f32.Flush();
  EXPECT_EQ(bf16.Ask(prompt, 4, "a").cached_tokens, 0);
  EXPECT_EQ(other.Ask(prompt, 4, "a").cached_tokens, 0);
  EXPECT_EQ(f32.Ask(prompt, 4, "b").cached_tokens, 0);
  StoreRouter again({.model = model, .store = &store});
  EXPECT_EQ(again.Ask(prompt, 4, "a").cached_tokens, 256);
}

TEST(StoreSharingTest, AHintReachesTheStore) {
  FakeBlockStore store;
  StoreRouter router({.model = kCheckpoints + "tiny_f32", .store = &store});
  router.Ask(SomeTokens(200, 1), 4, "", ResumeHint::kNone);
  router.Ask(SomeTokens(200, 1), 4, "", ResumeHint::kSoon);
  router.Ask(SomeTokens(200, 2), 4, "", ResumeHint::kDone);
  router.stack().Stop(absl::Now() + absl::Seconds(60));
  const auto hints = store.counts().hints;
  ASSERT_EQ(hints.size(), 2u);
  EXPECT_EQ(hints[0].second, StoreHint::kSoon);
  EXPECT_EQ(hints[1].second, StoreHint::kDone);
}

TEST(StoreSharingTest, AnswersToOnePromptLookItUpOnce) {
  FakeBlockStore store;
  StoreRouter router({.model = kCheckpoints + "tiny_f32", .store = &store});
  EngineRequest request;
  request.prompt = SomeTokens(200, 1);
  request.max_tokens = 4;
  const auto streams = *router.stack().engine().Submit(std::move(request), 3);
  for (const auto& stream : streams) EXPECT_TRUE(StoreRouter::Read(*stream).status.ok());
  EXPECT_EQ(store.counts().finds, 1);
}

}  // namespace
}  // namespace coterie

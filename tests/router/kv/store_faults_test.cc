// A store on its bad days. Goal: never wrong, never in the way. Method: FakeBlockStore does each
// thing that can go wrong; the answers must be those of a router without a store, and come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/testing/fake_block_store.h"
#include "tests/testing/goldens.h"
#include "tests/testing/store_router.h"

namespace coterie {
namespace {

using ::testing::Ge;
using How = FakeBlockStore::How;

const std::string kModel = kCheckpoints + "tiny_q4_0.gguf";

class StoreFaultsTest : public testing::Test {
 protected:
  StoreFaultsTest() {
    StoreRouter writer({.model = kModel, .store = &store_});
    for (uint32_t seed = 0; seed < 8; ++seed) expected_.push_back(writer.Ask(Prompt(seed)));
    writer.Flush();
  }
  // With pauses that no machine is slow enough to outlast.
  static StoreLink::Options LongPauses() {
    StoreLink::Options link = StoreRouter::Options{}.link;
    link.first_pause = absl::Hours(1);
    return link;
  }
  // A router's store loses all that the router has written of a conversation, which goes on from
  // the router's own cache. The conversation's tokens, and the answer to them.
  std::pair<std::vector<int32_t>, StoreRouter::Answer> GoOnAfterALoss(StoreRouter& writer) {
    std::vector<int32_t> prompt = SomeTokens(300, 99);
    EXPECT_TRUE(writer.Ask(prompt).status.ok());
    writer.Flush();
    store_.Forget();
    const std::vector<int32_t> more = SomeTokens(200, 98);
    prompt.insert(prompt.end(), more.begin(), more.end());
    const StoreRouter::Answer answer = writer.Ask(prompt);
    EXPECT_GE(answer.cached_tokens, 256);
    writer.Flush();
    return {prompt, answer};
  }
  static std::vector<int32_t> Prompt(uint32_t seed) { return SomeTokens(300, 1 + seed); }

  FakeBlockStore store_;
  std::vector<StoreRouter::Answer> expected_;  // by seed
};

TEST_F(StoreFaultsTest, WhateverGetDoesTheAnswersAreThoseOfARouterWithoutAStore) {
  for (const How how :
       {How::kWell, How::kFails, How::kLosesOne, How::kCutsOne, How::kBackwards, How::kTwice,
        How::kEndsEarly, How::kLosesMost, How::kForgesFirst, How::kForgesName}) {
    StoreRouter reader({.model = kModel, .store = &store_, .link = LongPauses()});
    store_.Do({.get = how});
    for (uint32_t seed = 0; seed < 8; ++seed)
      EXPECT_EQ(reader.Ask(Prompt(seed)), expected_[seed])
          << "how " << static_cast<int>(how) << ", prompt " << seed;
    const double fetched = reader.Counted("router_kv_store_tokens_total", "fetched"),
                 failed = reader.Counted("router_kv_store_tokens_total", "failed");
    if (how == How::kWell || how == How::kBackwards) {
      EXPECT_EQ(fetched, 8 * 256);
    } else if (how != How::kTwice) {
      EXPECT_EQ(fetched, 0) << static_cast<int>(how);
      // A store that fails is left alone after three.
      EXPECT_EQ(failed, (how == How::kFails ? 3 : 8) * 256) << static_cast<int>(how);
    }
  }
}

TEST_F(StoreFaultsTest, AFailingLookupIsAMissAndSoonNotAskedAnyMore) {
  for (const How how : {How::kFails, How::kAnswersShort}) {
    StoreRouter reader({.model = kModel, .store = &store_, .link = LongPauses()});
    const int64_t finds = store_.counts().finds;
    store_.Do({.find = how});
    for (uint32_t seed = 0; seed < 8; ++seed) EXPECT_EQ(reader.Ask(Prompt(seed)), expected_[seed]);
    EXPECT_EQ(store_.counts().finds - finds, 3);
    EXPECT_EQ(reader.Counted("router_kv_store_lookups_total", "not_asked"), 5);
  }
}

// With the patience that is the default.
TEST_F(StoreFaultsTest, AStuckStoreIsGivenUpAndLateAnswersChangeNothing) {
  for (const FakeBlockStore::Plan plan :
       {FakeBlockStore::Plan{.find = How::kNever}, {.get = How::kNever}}) {
    StoreRouter reader({.model = kModel,
                        .store = &store_,
                        .link = {.policy = {.tokens_per_second = 1000, .measure = false}}});
    store_.Do(plan);
    for (uint32_t seed = 0; seed < 4; ++seed) EXPECT_EQ(reader.Ask(Prompt(seed)), expected_[seed]);
    store_.Do({});
    store_.Release();
    for (uint32_t seed = 4; seed < 8; ++seed) EXPECT_EQ(reader.Ask(Prompt(seed)), expected_[seed]);
    EXPECT_THAT(reader.Counted("router_kv_store_lookups_total", "late") +
                    reader.Counted("router_kv_store_tokens_total", "late"),
                Ge(3));
  }
}

// What comes in the midst of a prompt saves the rest of it.
TEST_F(StoreFaultsTest, ALateAnswerSavesTheRestOfThePrompt) {
  const std::vector<int32_t> prompt = SomeTokens(3000, 77);
  StoreRouter writer({.model = kModel, .store = &store_});
  const StoreRouter::Answer expected = writer.Ask(prompt);
  writer.Flush();
  for (const FakeBlockStore::Plan plan :
       {FakeBlockStore::Plan{.find = How::kNever}, {.get = How::kNever}}) {
    StoreRouter reader({.model = kModel,
                        .store = &store_,
                        .prefill_chunk = 16,
                        .link = {.patience = absl::Milliseconds(1),
                                 .policy = {.tokens_per_second = 1000,
                                            .measure = false,
                                            .slack = absl::Milliseconds(1),
                                            .slack_share = 0}}});
    store_.Do(plan);
    const auto answer = reader.Submit(prompt, 4);
    while (reader.Counted("router_kv_store_lookups_total", "late") +
               reader.Counted("router_kv_store_tokens_total", "late") ==
           0)
      absl::SleepFor(absl::Milliseconds(1));
    store_.Do({});
    store_.Release();
    const StoreRouter::Answer got = StoreRouter::Read(*answer);
    EXPECT_EQ(got, expected);
    EXPECT_GT(got.cached_tokens, 0);
    EXPECT_LT(got.cached_tokens, 2944);
    EXPECT_GE(reader.Counted("router_kv_store_tokens_total", "fetched"), got.cached_tokens);
  }
}

// Two prompts that do not fit both are under way when the store answers for one of them.
TEST_F(StoreFaultsTest, ALateContextThatDoesNotFitPushesNothingOut) {
  const std::vector<int32_t> prompt = SomeTokens(3000, 77);
  StoreRouter writer({.model = kModel, .store = &store_});
  const StoreRouter::Answer expected = writer.Ask(prompt);
  writer.Flush();
  const int64_t budget = writer.stack().cache().BytesFor(3005) * 51 / 50;
  StoreRouter reader({.model = kModel,
                      .store = &store_,
                      .prefill_chunk = 16,
                      .kv_bytes = budget,
                      .link = {.patience = absl::Milliseconds(1),
                               .policy = {.tokens_per_second = 1000, .measure = false}}});
  store_.Do({.find = How::kNever});
  const auto late = reader.Submit(prompt, 4);
  const auto other = reader.Submit(SomeTokens(1500, 78), 500, "other");
  while (reader.Counted("router_kv_held_bytes", "") < static_cast<double>(budget) * 0.75)
    absl::SleepFor(absl::Milliseconds(1));
  store_.Do({});
  store_.Release();
  EXPECT_EQ(StoreRouter::Read(*late), expected);
  EXPECT_TRUE(StoreRouter::Read(*other).status.ok());
  EXPECT_EQ(reader.Counted("router_kv_store_tokens_total", "failed"), 0);
}

TEST_F(StoreFaultsTest, WhoIsHeldBackHoldsNobodyElse) {
  StoreRouter reader({.model = kModel, .store = &store_});
  store_.Do({.get = How::kNever});
  const auto held = reader.Submit(Prompt(0), 4);
  // Nothing of these is stored.
  for (uint32_t seed = 50; seed < 53; ++seed)
    EXPECT_TRUE(reader.Ask(SomeTokens(100, seed)).status.ok());
  EXPECT_FALSE(held->TryNext().has_value());
  store_.Release();
  const StoreRouter::Answer answer = StoreRouter::Read(*held);
  EXPECT_EQ(answer, expected_[0]);
  EXPECT_EQ(answer.cached_tokens, 256);
}

TEST_F(StoreFaultsTest, WhoIsHeldBackMayLeave) {
  StoreRouter reader({.model = kModel, .store = &store_});
  store_.Do({.get = How::kNever});
  const auto held = reader.Submit(Prompt(0), 4);
  held->Cancel();
  EXPECT_EQ(StoreRouter::Read(*held).status.code(), absl::StatusCode::kCancelled);
  store_.Release();
  store_.Do({});
  EXPECT_EQ(reader.Ask(Prompt(1)), expected_[1]);
}

TEST_F(StoreFaultsTest, ARouterStopsWhileTheStoreIsStuck) {
  StoreRouter reader({.model = kModel, .store = &store_});
  store_.Do({.find = How::kNever, .put = How::kFails});
  const auto held = reader.Submit(Prompt(0), 4);
  reader.stack().Stop(absl::Now());
  EXPECT_FALSE(StoreRouter::Read(*held).status.ok());
}

TEST_F(StoreFaultsTest, WhatTheStoreDoesNotTakeIsDroppedAndOfferedAgain) {
  StoreLink::Options link = StoreRouter::Options{}.link;
  link.writer.patience = absl::ZeroDuration();
  StoreRouter writer({.model = kModel, .store = &store_, .link = link});
  store_.Do({.put = How::kFails});
  const std::vector<int32_t> prompt = SomeTokens(300, 99);
  const StoreRouter::Answer answer = writer.Ask(prompt);
  writer.Flush();
  store_.Do({});
  EXPECT_EQ(writer.Ask(prompt), answer);
  EXPECT_THAT(writer.Counted("router_kv_store_dropped_objects_total", "store"), Ge(4));
  writer.stack().Stop(absl::Now() + absl::Seconds(60));
  StoreRouter reader({.model = kModel, .store = &store_});
  const StoreRouter::Answer hit = reader.Ask(prompt);
  EXPECT_EQ(hit, answer);
  EXPECT_EQ(hit.cached_tokens, 256);
}

TEST_F(StoreFaultsTest, AStoreThatHasLostEverythingGetsItAgain) {
  StoreLink::Options link = StoreRouter::Options{}.link;
  link.write_limit = absl::ZeroDuration();
  StoreRouter writer({.model = kModel, .store = &store_, .link = link});
  const auto [prompt, answer] = GoOnAfterALoss(writer);
  StoreRouter reader({.model = kModel, .store = &store_});
  const StoreRouter::Answer hit = reader.Ask(prompt);
  EXPECT_EQ(hit, answer);
  EXPECT_EQ(hit.cached_tokens, 448);
}

// A lookup that is too early for what is queued does not have it written twice.
TEST_F(StoreFaultsTest, WhatIsOnItsWayIsNotTakenForLost) {
  StoreLink::Options link = StoreRouter::Options{}.link;
  link.write_limit = absl::Hours(1);
  StoreRouter writer({.model = kModel, .store = &store_, .link = link});
  const int64_t before = store_.counts().put_kinds[BlockKind::kGlobal];
  GoOnAfterALoss(writer);
  EXPECT_EQ(store_.counts().put_kinds[BlockKind::kGlobal] - before, 7);
}

TEST_F(StoreFaultsTest, AFullQueueDropsAndDelaysNobody) {
  StoreLink::Options link = StoreRouter::Options{}.link;
  link.writer.queue_bytes = 1;
  StoreRouter writer({.model = kModel, .store = &store_, .link = link});
  const int64_t puts = store_.counts().puts;
  EXPECT_TRUE(writer.Ask(SomeTokens(300, 99)).status.ok());
  EXPECT_EQ(store_.counts().puts, puts);
  EXPECT_THAT(writer.Counted("router_kv_store_dropped_objects_total", "router"), Ge(4));
}

// Blocks that a stuck writer holds are not missing from a cache that has room for one sequence.
TEST_F(StoreFaultsTest, AStuckWriterDoesNotStarveTheCache) {
  StoreLink::Options link = StoreRouter::Options{}.link;
  link.writer.patience = absl::Seconds(20);
  store_.Do({.put = How::kFails});
  StoreRouter plain({.model = kModel});
  StoreRouter writer({.model = kModel,
                      .store = &store_,
                      .kv_bytes = plain.stack().cache().BytesFor(450),
                      .max_context = 450,
                      .link = link});
  for (uint32_t seed = 60; seed < 68; ++seed) {
    const std::vector<int32_t> prompt = SomeTokens(400, seed);
    EXPECT_EQ(writer.Ask(prompt), plain.Ask(prompt)) << seed;
  }
  store_.Do({});
  writer.Flush();
}

// Many at once, with a store that does something else every few requests.
TEST_F(StoreFaultsTest, UnderLoadWithFaultsEveryAnswerIsRight) {
  StoreRouter reader({.model = kModel, .store = &store_, .kv_bytes = 2 << 20, .max_context = 400});
  const How hows[] = {How::kWell, How::kLosesOne, How::kCutsOne, How::kTwice, How::kEndsEarly};
  std::vector<std::pair<uint32_t, std::shared_ptr<TokenStream>>> streams;
  for (uint32_t i = 0; i < 60; ++i) {
    store_.Do({.get = hows[i / 3 % 5]});
    streams.emplace_back(i * 5 % 8, reader.Submit(Prompt(i * 5 % 8), 4));
    if (i % 6 == 5) {
      for (const auto& [seed, stream] : streams)
        EXPECT_EQ(StoreRouter::Read(*stream), expected_[seed]) << "request " << i;
      streams.clear();
    }
  }
}

}  // namespace
}  // namespace coterie

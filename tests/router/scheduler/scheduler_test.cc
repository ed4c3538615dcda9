// Steps, yielding, siblings, priorities: in simulated time.
#include "router/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "absl/time/time.h"
#include "tests/router/scheduler/simulation.h"

namespace coterie {
namespace {

TEST(SchedulerTest, PromptsAndDecodesShareAStep) {
  Simulation sim({.scheduler = {.max_sequences = 4, .prefill_chunk = 128}});
  sim.Add({.num_prompt = 100, .num_tokens = 50});
  sim.Step();
  sim.Add({.num_prompt = 1000, .first_token = 5000});
  sim.scheduler_.Admit(sim.now_);
  const auto& parts = sim.scheduler_.Plan(sim.now_);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].end - parts[0].begin, 1);
  EXPECT_EQ(parts[1].end - parts[1].begin, 128);
}

TEST(SchedulerTest, SeveralShortPromptsFillOneStep) {
  Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 128}});
  for (int i = 0; i < 4; ++i) sim.Add({.num_prompt = 40, .first_token = 1000 * i});
  sim.scheduler_.Admit(sim.now_);
  const auto& parts = sim.scheduler_.Plan(sim.now_);
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[3].end - parts[3].begin, 8);
}

TEST(SchedulerTest, TheMostJuniorYieldsWhenBlocksRunOutAndAllFinish) {
  Simulation sim({.kv_blocks = 24, .scheduler = {.max_sequences = 16, .prefill_chunk = 64}});
  for (int i = 0; i < 12; ++i)
    sim.Add({.num_prompt = 200, .num_tokens = 300, .first_token = 10000 * i});
  sim.RunUntilEmpty();
  EXPECT_GT(sim.scheduler_.num_yields(), 0);
  EXPECT_EQ(sim.finished_.size(), 12u);
  EXPECT_EQ(sim.first_tokens_.front(), 0u);
  EXPECT_EQ(sim.cache_.held_bytes(), 0);
}

TEST(SchedulerTest, SiblingsWaitForThePromptAndThenFindIt) {
  Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 256}});
  sim.Add({.num_prompt = 400, .num_tokens = 5}, /*num_siblings=*/3);
  EXPECT_EQ(sim.scheduler_.num_waiting(), 4);
  sim.Step();
  EXPECT_EQ(sim.scheduler_.num_running(), 1);
  EXPECT_EQ(sim.scheduler_.num_waiting(), 3);
  sim.Step();  // the prompt is computed
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.size(), 4u);
  // Each of the others computes what is beyond the last whole block.
  EXPECT_EQ(sim.computed_[""], 400 + 3 * 16 + 4 * 4);
}

// An agent's next prompt may have other words at the end of the one before: the last message
// edited, or a block of it written anew. Whatever the length, and after an answer that has blocks
// of its own.
TEST(SchedulerTest, APromptThatPartsInTheLastBlockBeforeTheEndFindsTheRest) {
  for (int64_t length = 400; length < 464; length += 9) {
    for (int64_t back = 1; back <= 64; back += 7) {
      Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 256}});
      sim.Add({.num_prompt = length, .num_tokens = 150});
      sim.RunUntilEmpty();
      Sequence* const next = sim.Add({.num_prompt = length + 100, .num_tokens = 1});
      for (size_t i = static_cast<size_t>(length - back); i < next->tokens.size(); ++i)
        next->tokens[i] += 100000;
      sim.scheduler_.Admit(sim.now_);
      EXPECT_GE(next->kv->num_resumed(), length - back - 63) << length << " parts " << back;
    }
  }
}

TEST(SchedulerTest, SiblingsOfOneThatLeavesGoOn) {
  Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 256}});
  Sequence* const leader = sim.Add({.num_prompt = 400, .num_tokens = 5}, /*num_siblings=*/3);
  sim.Step();
  sim.scheduler_.RemoveIf([&](Sequence& sequence) { return &sequence == leader; }, sim.now_);
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.size(), 3u);
}

TEST(SchedulerTest, HigherPriorityTakesThePlaceOfALowerOne) {
  Simulation sim({.scheduler = {.max_sequences = 2, .prefill_chunk = 512}});
  for (int i = 0; i < 4; ++i) sim.Add({.num_tokens = 100, .priority = -1, .first_token = 1000 * i});
  for (int i = 0; i < 5; ++i) sim.Step();
  sim.Add({.num_tokens = 5, .priority = 5, .first_token = 90000});
  sim.Step();
  EXPECT_EQ(sim.first_tokens_.back(), 4u);
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.front(), 4u);
  EXPECT_EQ(sim.finished_.size(), 5u);
}

TEST(SchedulerTest, PriorityClassesKeepTheirOrder) {
  Simulation sim({.scheduler = {.max_sequences = 1, .prefill_chunk = 512}});
  for (int i = 0; i < 30; ++i)
    sim.Add({.num_tokens = 3, .priority = i % 3, .first_token = 1000 * i});
  sim.RunUntilEmpty();
  ASSERT_EQ(sim.finished_.size(), 30u);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(sim.finished_[i] % 3, 2 - i / 10) << i;
}

// With free places, prompts of high priority that use every row of the steps.
TEST(SchedulerTest, APromptThatRunsIsNotKeptOutOfTheStepsForever) {
  Simulation sim(
      {.scheduler = {.max_sequences = 4, .prefill_chunk = 16, .promote_after = absl::Seconds(2)}});
  sim.Add({.num_prompt = 200, .num_tokens = 3});
  int32_t first = 10000;
  while (sim.now_ < absl::UnixEpoch() + absl::Seconds(20)) {
    while (sim.scheduler_.num_running() + sim.scheduler_.num_waiting() < 3)
      sim.Add({.num_prompt = 1500, .num_tokens = 1, .priority = 50, .first_token = first += 2000});
    sim.Step();
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_NE(std::find(sim.finished_.begin(), sim.finished_.end(), 0u), sim.finished_.end());
}

TEST(SchedulerTest, AnOldAnswerThatMakesProgressGivesItsPlaceToAHigherPriority) {
  Simulation sim(
      {.scheduler = {.max_sequences = 1, .prefill_chunk = 512, .promote_after = absl::Seconds(2)}});
  sim.Add({.num_tokens = 1 << 20, .priority = -1});
  sim.RunUntil(sim.now_ + absl::Seconds(5));
  sim.Add({.num_tokens = 5, .priority = 5, .first_token = 90000});
  sim.Step();
  EXPECT_EQ(sim.first_tokens_.back(), 1u);
}

// Requests of all sizes, tenants and priorities, too little memory, and a stream of urgent ones
// that would keep the others out for ever.
TEST(SchedulerTest, NobodyWaitsForever) {
  for (int seed = 0; seed < 8; ++seed) {
    Simulation sim(
        {.kv_blocks = 40,
         .scheduler = {
             .max_sequences = 6, .prefill_chunk = 64, .promote_after = absl::Seconds(2)}});
    std::mt19937 rng(static_cast<uint32_t>(seed));
    size_t num_added = 0;
    const auto add = [&](int priority) {
      sim.Add({.tenant = "t" + std::to_string(rng() % 5),
               .num_prompt = 1 + static_cast<int64_t>(rng() % 900),
               .num_tokens = 1 + static_cast<int64_t>(rng() % 200),
               .priority = priority,
               .first_token = static_cast<int32_t>(rng() % 4) * 1000});
      ++num_added;
    };
    for (int i = 0; i < 30; ++i) add(static_cast<int>(rng() % 3) - 1);
    while (sim.now_ < absl::UnixEpoch() + absl::Seconds(20)) {
      if (sim.scheduler_.num_waiting() < 8) add(5);
      sim.Step();
      ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
    sim.RunUntilEmpty();
    EXPECT_EQ(sim.finished_.size(), num_added) << "seed " << seed;
    // One goes every two seconds of those of a tenant and a priority that are kept out.
    EXPECT_LT(sim.longest_, absl::Seconds(20)) << "seed " << seed;
    EXPECT_EQ(sim.cache_.held_bytes(), 0);
  }
}

}  // namespace
}  // namespace coterie

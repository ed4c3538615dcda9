#include "router/experts/move_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace coterie {
namespace {

constexpr int64_t kLayers = 2, kExperts = 8, kAll = kLayers * kExperts;

Shard ShardOf(const std::vector<int64_t>& experts) {
  Shard shard = Shard::Nothing(kLayers, kExperts);
  for (const int64_t at : experts) shard.Set(at / kExperts, at % kExperts, true);
  return shard;
}

bool Holds(const Shard& shard, int64_t at) { return shard.Holds(at / kExperts, at % kExperts); }

std::vector<WorkerMoves> Next(const std::vector<MovingWorker>& workers, int64_t loads_max = kAll) {
  return NextMoves(workers, kLayers, kExperts, 2, loads_max);
}

TEST(MovePlanTest, AnExpertIsLoadedBeforeItIsDropped) {
  std::vector<MovingWorker> workers = {
      {.held = ShardOf({3}), .wanted = ShardOf({}), .capacity = 9, .is_ours = true},
      {.held = ShardOf({}), .wanted = ShardOf({3}), .capacity = 9, .is_ours = true}};
  std::vector<WorkerMoves> moves = Next(workers);
  EXPECT_TRUE(moves[0].empty());
  EXPECT_EQ(moves[1].load, std::vector<int64_t>{3});
  workers[1].held = ShardOf({3});
  moves = Next(workers);
  EXPECT_EQ(moves[0].drop, std::vector<int64_t>{3});
  EXPECT_TRUE(moves[1].empty());
}

TEST(MovePlanTest, TwoThatAreToDropDoNotRelyOnEachOther) {
  const std::vector<MovingWorker> workers = {
      {.held = ShardOf({3}), .wanted = ShardOf({}), .capacity = 9, .is_ours = true},
      {.held = ShardOf({3}), .wanted = ShardOf({}), .capacity = 9, .is_ours = true}};
  for (const WorkerMoves& moves : Next(workers)) EXPECT_TRUE(moves.empty());
}

TEST(MovePlanTest, ACopyOnAnotherPlannersWorkerDoesNotCount) {
  const std::vector<MovingWorker> workers = {
      {.held = ShardOf({3}), .wanted = ShardOf({}), .capacity = 9, .is_ours = true},
      {.held = ShardOf({3}), .wanted = ShardOf({3}), .capacity = 9, .is_ours = false}};
  for (const WorkerMoves& moves : Next(workers)) EXPECT_TRUE(moves.empty());
}

TEST(MovePlanTest, WhatHasFewestCopiesIsLoadedFirst) {
  const std::vector<MovingWorker> workers = {
      {.held = ShardOf({0, 1}), .wanted = ShardOf({0, 1, 2}), .capacity = 9, .is_ours = true},
      {.held = ShardOf({}), .wanted = ShardOf({0, 1, 2}), .capacity = 9, .is_ours = true}};
  const std::vector<WorkerMoves> moves = Next(workers, 1);
  EXPECT_EQ(moves[0].load, std::vector<int64_t>{2});
  EXPECT_EQ(moves[1].load, std::vector<int64_t>{2});
}

// Carried out step by step, any move between two placements with two copies of everything keeps
// two copies, stays within the memory, and ends.
TEST(MovePlanTest, RandomMovesNeverLoseACopy) {
  std::mt19937 rng(5);
  for (int round = 0; round < 200; ++round) {
    constexpr size_t kWorkers = 5;
    const auto random_placement = [&] {
      std::vector<Shard> shards(kWorkers, ShardOf({}));
      for (int64_t at = 0; at < kAll; ++at) {
        const size_t first = rng() % kWorkers;
        for (const size_t w : {first, (first + 1 + rng() % (kWorkers - 1)) % kWorkers})
          shards[w].Set(at / kExperts, at % kExperts, true);
      }
      return shards;
    };
    const std::vector<Shard> from = random_placement(), to = random_placement();
    std::vector<MovingWorker> workers;
    for (size_t w = 0; w < kWorkers; ++w) {
      workers.push_back({.held = from[w],
                         .wanted = to[w],
                         .capacity = std::max(from[w].num_held(), to[w].num_held()) + 1,
                         .is_ours = true});
    }
    int steps = 0;
    for (;; ++steps) {
      ASSERT_LT(steps, 200) << "round " << round;
      const std::vector<WorkerMoves> moves = Next(workers, 3);
      if (std::all_of(moves.begin(), moves.end(), [](const auto& m) { return m.empty(); })) break;
      for (size_t w = 0; w < kWorkers; ++w) {
        for (const int64_t at : moves[w].load)
          workers[w].held.Set(at / kExperts, at % kExperts, true);
        ASSERT_LE(workers[w].held.num_held(), workers[w].capacity);
        for (const int64_t at : moves[w].drop)
          workers[w].held.Set(at / kExperts, at % kExperts, false);
      }
      for (int64_t at = 0; at < kAll; ++at) {
        ASSERT_GE(std::count_if(workers.begin(), workers.end(),
                                [&](const MovingWorker& w) { return Holds(w.held, at); }),
                  2)
            << "round " << round << " expert " << at;
      }
    }
    for (size_t w = 0; w < kWorkers; ++w)
      EXPECT_EQ(workers[w].held.Bitmap(), to[w].Bitmap()) << "round " << round << " worker " << w;
  }
}

}  // namespace
}  // namespace coterie

// Random clusters and loads: what a plan promises holds for each of them.
#include "router/experts/placement_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

constexpr int64_t kLayers = 3, kExperts = 32;
constexpr int64_t kAll = kLayers * kExperts;

PlacementGoal Goal(int64_t copies = 2) {
  return {.num_layers = kLayers, .num_experts = kExperts, .copies = copies};
}

std::vector<PlannedWorker> Workers(size_t count, int64_t capacity) {
  return std::vector<PlannedWorker>(count, {.capacity = capacity});
}

// As what they shall hold is now held.
std::vector<PlannedWorker> Carried(std::vector<PlannedWorker> workers, const PlacementPlan& plan) {
  for (size_t w = 0; w < workers.size(); ++w) workers[w].held = plan.shards[w];
  return workers;
}

int64_t NumCopies(const PlacementPlan& plan, int64_t layer, int64_t expert) {
  return std::count_if(plan.shards.begin(), plan.shards.end(),
                       [&](const Shard& shard) { return shard.Holds(layer, expert); });
}

int64_t NumMoved(const std::vector<PlannedWorker>& workers, const PlacementPlan& plan) {
  int64_t moved = 0;
  for (size_t w = 0; w < workers.size(); ++w) {
    for (int64_t at = 0; at < kAll; ++at) {
      const int64_t layer = at / kExperts, expert = at % kExperts;
      moved += plan.shards[w].Holds(layer, expert) && !workers[w].held.Holds(layer, expert) ? 1 : 0;
    }
  }
  return moved;
}

std::vector<double> EvenLoad() { return std::vector<double>(kAll, 1.0); }

// A few experts get most of the rows, as in text of one kind.
std::vector<double> SkewedLoad(std::mt19937& rng) {
  std::vector<double> load(kAll);
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    std::vector<int64_t> rank(kExperts);
    std::iota(rank.begin(), rank.end(), 1);
    std::shuffle(rank.begin(), rank.end(), rng);
    for (int64_t e = 0; e < kExperts; ++e) {
      load[static_cast<size_t>(layer * kExperts + e)] =
          1000.0 / std::pow(static_cast<double>(rank[static_cast<size_t>(e)]), 0.8);
    }
  }
  return load;
}

TEST(PlacementPlanTest, WhatItPromisesHoldsForRandomClusters) {
  std::mt19937 rng(7);
  for (int round = 0; round < 200; ++round) {
    const size_t count = 1 + rng() % 7;
    std::vector<PlannedWorker> workers(count);
    int64_t room = 0;
    for (PlannedWorker& worker : workers) {
      worker.capacity = static_cast<int64_t>(rng() % (kAll + 1));
      worker.speed = 0.5 + static_cast<double>(rng() % 4);
      worker.leaving = rng() % 8 == 0;
      // What it holds now, sometimes more than it has room for.
      worker.held = Shard::Nothing(kLayers, kExperts);
      for (int64_t at = 0; at < kAll; ++at) {
        if (rng() % 3 == 0) worker.held.Set(at / kExperts, at % kExperts, true);
      }
      room += worker.leaving ? 0 : worker.capacity;
    }
    const PlacementPlan plan = PlanPlacement(workers, SkewedLoad(rng), Goal());
    for (size_t w = 0; w < count; ++w) {
      EXPECT_LE(plan.shards[w].num_held(), workers[w].leaving ? 0 : workers[w].capacity) << round;
    }
    int64_t uncovered = 0, single = 0;
    for (int64_t at = 0; at < kAll; ++at) {
      const int64_t copies = NumCopies(plan, at / kExperts, at % kExperts);
      uncovered += copies == 0 ? 1 : 0;
      single += copies == 1 ? 1 : 0;
    }
    EXPECT_EQ(uncovered, plan.num_uncovered);
    EXPECT_EQ(uncovered, std::max<int64_t>(0, kAll - room)) << round;
    const auto alive = std::count_if(workers.begin(), workers.end(), [](const PlannedWorker& w) {
      return !w.leaving && w.capacity == kAll;
    });
    if (alive >= 2) {
      EXPECT_EQ(single, 0) << round;
    }
  }
}

TEST(PlacementPlanTest, WhatIsCarriedOutIsNotMovedAgain) {
  std::mt19937 rng(8);
  for (int round = 0; round < 50; ++round) {
    const std::vector<double> load = SkewedLoad(rng);
    const std::vector<PlannedWorker> workers =
        Workers(2 + rng() % 5, kAll / 2 + static_cast<int64_t>(rng() % kAll));
    const std::vector<PlannedWorker> carried =
        Carried(workers, PlanPlacement(workers, load, Goal()));
    EXPECT_EQ(NumMoved(carried, PlanPlacement(carried, load, Goal())), 0) << round;
  }
}

TEST(PlacementPlanTest, CopiesOfOneExpertAreInDifferentDomains) {
  std::vector<PlannedWorker> workers = Workers(6, kAll);
  for (size_t w = 0; w < workers.size(); ++w) workers[w].domain = absl::StrCat("host", w / 2);
  std::mt19937 rng(9);
  const PlacementPlan plan = PlanPlacement(workers, SkewedLoad(rng), Goal());
  for (int64_t at = 0; at < kAll; ++at) {
    std::multiset<std::string> domains;
    for (size_t w = 0; w < workers.size(); ++w) {
      if (plan.shards[w].Holds(at / kExperts, at % kExperts)) domains.insert(workers[w].domain);
    }
    for (const std::string& domain : domains) EXPECT_EQ(domains.count(domain), 1u) << at;
    EXPECT_EQ(domains.size(), 2u);
  }
}

TEST(PlacementPlanTest, AWorkerThatJoinsTakesWhatItIsGivenAndNothingElseMoves) {
  const std::vector<PlannedWorker> two = Workers(2, kAll);
  std::vector<PlannedWorker> workers = Carried(two, PlanPlacement(two, EvenLoad(), Goal()));
  workers.push_back({.capacity = kAll});
  const PlacementPlan plan = PlanPlacement(workers, EvenLoad(), Goal());
  // Two hold everything: the third is needed for speed alone, a third of the rows.
  EXPECT_LE(NumMoved(workers, plan), kAll / 2);
  EXPECT_GT(plan.shards[2].num_held(), 0);
  for (int64_t layer = 0; layer < kLayers; ++layer)
    EXPECT_LT(LayerSkew(plan.shards, workers, EvenLoad(), layer, kExperts), 1.15);
}

TEST(PlacementPlanTest, WhatALeavingWorkerHeldIsGivenToTheOthers) {
  const std::vector<PlannedWorker> four = Workers(4, kAll);
  std::vector<PlannedWorker> workers = Carried(four, PlanPlacement(four, EvenLoad(), Goal()));
  const int64_t held = workers[1].held.num_held();
  workers[1].leaving = true;
  const PlacementPlan plan = PlanPlacement(workers, EvenLoad(), Goal());
  EXPECT_EQ(plan.shards[1].num_held(), 0);
  EXPECT_EQ(NumMoved(workers, plan), held);
  for (int64_t at = 0; at < kAll; ++at)
    EXPECT_EQ(NumCopies(plan, at / kExperts, at % kExperts), 2) << at;
}

TEST(PlacementPlanTest, ASkewedLoadIsEvenedOut) {
  std::mt19937 rng(10);
  for (const size_t count : {2, 3, 4, 6}) {
    // Memory for two copies, and a little.
    const std::vector<PlannedWorker> workers = Workers(
        count, (2 * kAll + static_cast<int64_t>(count) - 1) / static_cast<int64_t>(count) + 2);
    const std::vector<PlannedWorker> carried =
        Carried(workers, PlanPlacement(workers, EvenLoad(), Goal()));
    const std::vector<double> load = SkewedLoad(rng);
    const PlacementPlan plan = PlanPlacement(carried, load, Goal());
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      EXPECT_LT(LayerSkew(plan.shards, workers, load, layer, kExperts), 1.25)
          << count << " workers, layer " << layer;
    }
  }
}

TEST(PlacementPlanTest, ASlowWorkerIsGivenLess) {
  std::vector<PlannedWorker> workers = Workers(2, kAll);
  workers[0].speed = 3;
  const PlacementPlan plan = PlanPlacement(workers, EvenLoad(), Goal(1));
  EXPECT_NEAR(static_cast<double>(plan.shards[0].num_held()), 0.75 * kAll, 0.1 * kAll);
}

}  // namespace
}  // namespace coterie

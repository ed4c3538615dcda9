// A cluster as the rebalancer sees it, in simulated time: workers join, leave and die under a load
// that is skewed, and what is promised holds after every step.
#include "router/experts/rebalancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

namespace coterie {
namespace {

constexpr int64_t kLayers = 4, kExperts = 64, kAll = kLayers * kExperts;
constexpr int64_t kExpertBytes = 1000;

class SimulatedCluster {
 public:
  explicit SimulatedCluster(int64_t bytes_per_minute = kAll * kExpertBytes)
      : rebalancer_({.goal = {.num_layers = kLayers, .num_experts = kExperts, .copies = 2},
                     .expert_bytes = kExpertBytes,
                     .even_bytes_per_minute = bytes_per_minute,
                     .round_bytes = 32 * kExpertBytes}),
        load_(kAll, 1.0) {}

  void Join(int64_t capacity) {
    workers_.push_back(
        {.planned = {.held = Shard::Nothing(kLayers, kExperts), .capacity = capacity},
         .is_ours = true});
  }
  void Leave(size_t worker) { workers_[worker].planned.leaving = true; }
  void Die(size_t worker) {
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(worker));
  }
  // Copies that no expert may fall below, once it has had them.
  void Need(int64_t copies) { needed_ = copies; }
  void SkewLoad(uint32_t seed) {
    std::mt19937 rng(seed);
    std::vector<int64_t> rank(kExperts);
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      for (int64_t e = 0; e < kExperts; ++e) rank[static_cast<size_t>(e)] = e + 1;
      std::shuffle(rank.begin(), rank.end(), rng);
      for (int64_t e = 0; e < kExperts; ++e) {
        load_[static_cast<size_t>(layer * kExperts + e)] =
            1000 / std::sqrt(static_cast<double>(rank[static_cast<size_t>(e)]));
      }
    }
  }

  // One round a second, until nothing moves. The rounds it took.
  int Settle(int rounds_max = 500) {
    for (int round = 0; round < rounds_max; ++round) {
      const Rebalancer::Round next = rebalancer_.Next(workers_, load_, now_);
      now_ += absl::Seconds(1);
      if (next.is_evening) even_bytes_ += next.num_loads() * kExpertBytes;
      if (next.empty()) return round;
      Apply(next);
    }
    ADD_FAILURE() << "it does not settle";
    return rounds_max;
  }

  int64_t NumCopiesMin() const {
    int64_t least = 1 << 20;
    for (int64_t at = 0; at < kAll; ++at) least = std::min(least, NumCopies(at));
    return least;
  }
  double WorstSkew() const {
    std::vector<Shard> shards;
    std::vector<PlannedWorker> planned;
    for (const Rebalancer::Worker& worker : workers_) {
      shards.push_back(worker.planned.held);
      planned.push_back(worker.planned);
    }
    double worst = 0;
    for (int64_t layer = 0; layer < kLayers; ++layer)
      worst = std::max(worst, LayerSkew(shards, planned, load_, layer, kExperts));
    return worst;
  }
  int64_t num_held(size_t worker) const { return workers_[worker].planned.held.num_held(); }
  int64_t even_bytes() const { return even_bytes_; }
  absl::Time now() const { return now_; }
  std::vector<Rebalancer::Worker>& workers() { return workers_; }

 private:
  int64_t NumCopies(int64_t at) const {
    return std::count_if(workers_.begin(), workers_.end(), [&](const Rebalancer::Worker& worker) {
      return worker.planned.held.Holds(at / kExperts, at % kExperts);
    });
  }
  void Apply(const Rebalancer::Round& round) {
    std::vector<int64_t> before;
    for (int64_t at = 0; at < kAll; ++at) before.push_back(NumCopies(at));
    for (size_t w = 0; w < workers_.size(); ++w) {
      PlannedWorker& worker = workers_[w].planned;
      EXPECT_TRUE(workers_[w].is_ours || round.moves[w].empty());
      for (const int64_t at : round.moves[w].load)
        worker.held.Set(at / kExperts, at % kExperts, true);
      EXPECT_LE(worker.held.num_held(), worker.capacity) << "worker " << w;
      for (const int64_t at : round.moves[w].drop)
        worker.held.Set(at / kExperts, at % kExperts, false);
    }
    for (int64_t at = 0; at < kAll; ++at) {
      EXPECT_GE(NumCopies(at), std::min(needed_, before[static_cast<size_t>(at)]))
          << "expert " << at << " lost a copy that it needs";
    }
  }

  Rebalancer rebalancer_;
  std::vector<Rebalancer::Worker> workers_;
  std::vector<double> load_;
  absl::Time now_ = absl::UnixEpoch();
  int64_t even_bytes_ = 0;
  int64_t needed_ = 2;
  int num_joined_ = 0;
};

TEST(RebalancerTest, EmptyWorkersGetTwoCopiesOfEverything) {
  SimulatedCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.Join(kAll);
  cluster.Settle();
  EXPECT_EQ(cluster.NumCopiesMin(), 2);
}

TEST(RebalancerTest, WorkersThatJoinTakeTheirPartOfASkewedLoad) {
  SimulatedCluster cluster;
  cluster.SkewLoad(1);
  for (int i = 0; i < 2; ++i) cluster.Join(kAll);
  cluster.Settle();
  for (int i = 0; i < 2; ++i) cluster.Join(kAll);
  EXPECT_GT(cluster.WorstSkew(), 1.9);  // two of four compute everything
  cluster.Settle();
  EXPECT_LE(cluster.WorstSkew(), 1.15);
  EXPECT_EQ(cluster.NumCopiesMin(), 2);
}

TEST(RebalancerTest, WorkersThatLeaveHoldNothingInTheEnd) {
  SimulatedCluster cluster;
  for (int i = 0; i < 4; ++i) cluster.Join(kAll);
  cluster.SkewLoad(2);
  cluster.Settle();
  cluster.Leave(0);
  cluster.Leave(2);
  cluster.Settle();
  EXPECT_EQ(cluster.num_held(0), 0);
  EXPECT_EQ(cluster.num_held(2), 0);
  cluster.Die(2);
  cluster.Die(0);
  EXPECT_EQ(cluster.NumCopiesMin(), 2);
}

TEST(RebalancerTest, ALastCopyStaysOnAWorkerThatLeavesWhereThereIsNoOtherRoom) {
  SimulatedCluster cluster;
  cluster.Join(kAll);
  cluster.Settle();
  cluster.Join(kAll / 2);
  cluster.Leave(0);
  cluster.Need(1);
  cluster.Settle();
  EXPECT_GE(cluster.NumCopiesMin(), 1);
}

TEST(RebalancerTest, CopiesOfADeadWorkerAreReplacedWithoutTheBudget) {
  SimulatedCluster cluster(0);
  for (int i = 0; i < 4; ++i) cluster.Join(kAll);
  cluster.Settle();
  cluster.Die(1);
  cluster.Settle();
  EXPECT_EQ(cluster.NumCopiesMin(), 2);
  EXPECT_EQ(cluster.even_bytes(), 0);
}

TEST(RebalancerTest, EveningKeepsToItsBytesAMinute) {
  constexpr int64_t kPerMinute = 20 * kExpertBytes;
  SimulatedCluster cluster(kPerMinute);
  for (int i = 0; i < 2; ++i) cluster.Join(kAll);
  cluster.Settle();
  cluster.SkewLoad(3);
  for (int i = 0; i < 2; ++i) cluster.Join(kAll);
  const absl::Time begin = cluster.now();
  for (int minute = 0; minute < 20; ++minute) {
    cluster.Settle();
    const double minutes = absl::FDivDuration(cluster.now() - begin, absl::Minutes(1));
    EXPECT_LE(static_cast<double>(cluster.even_bytes()), (minutes + 1) * kPerMinute);
  }
  EXPECT_GT(cluster.even_bytes(), 0);
}

TEST(RebalancerTest, MemoryThatIsJustEnoughIsUsedAndKeptTo) {
  SimulatedCluster cluster;
  for (int i = 0; i < 4; ++i) cluster.Join(kAll / 2 + 2);
  cluster.Settle();
  EXPECT_EQ(cluster.NumCopiesMin(), 2);
  cluster.SkewLoad(4);
  const double before = cluster.WorstSkew();
  cluster.Settle();
  EXPECT_LE(cluster.WorstSkew(), std::max(before, 1.25));
  EXPECT_EQ(cluster.NumCopiesMin(), 2);
}

TEST(RebalancerTest, NothingIsMovedOnWorkersOfAnotherPlanner) {
  SimulatedCluster cluster;
  for (int i = 0; i < 4; ++i) cluster.Join(kAll);
  cluster.Settle();
  cluster.workers()[0].is_ours = false;  // Apply looks
  cluster.workers()[3].planned.leaving = true;
  cluster.SkewLoad(5);
  cluster.Settle();
}

// Joins, leaves, deaths and loads as they come.
TEST(RebalancerTest, RandomHistories) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 rng(seed);
    SimulatedCluster cluster;
    cluster.Need(1);  // where memory is tight, a second copy may make room for a first
    for (int i = 0; i < 3; ++i) cluster.Join(kAll / 2 + static_cast<int64_t>(rng() % kAll));
    cluster.Settle();
    for (int event = 0; event < 12; ++event) {
      const size_t count = cluster.workers().size();
      switch (rng() % 4) {
        case 0:
          cluster.Join(kAll / 4 + static_cast<int64_t>(rng() % kAll));
          break;
        case 1:
          if (count > 4) cluster.Die(rng() % count);
          break;
        case 2:
          if (count > 4) {
            const size_t worker = rng() % count;
            cluster.Leave(worker);
            cluster.Settle();
            if (cluster.num_held(worker) == 0) cluster.Die(worker);
          }
          break;
        default:
          cluster.SkewLoad(static_cast<uint32_t>(rng()));
      }
      cluster.Settle();
      int64_t room = 0;
      for (const Rebalancer::Worker& worker : cluster.workers())
        room += worker.planned.leaving ? 0 : std::min(worker.planned.capacity, kAll);
      if (room >= 3 * kAll) {
        EXPECT_GE(cluster.NumCopiesMin(), 2);
      }
    }
  }
}

}  // namespace
}  // namespace coterie

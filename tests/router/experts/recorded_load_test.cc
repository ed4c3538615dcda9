// The rebalancer on a load that was recorded: rows of each expert (a line a layer) of the demo
// model while it went on from 40 pieces of English prose, by `router_status --expert_load`. It was
// trained on dialogues, so prose uses its experts unevenly.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "router/experts/rebalancer.h"

namespace coterie {
namespace {

constexpr int64_t kLayers = 12, kExperts = 16, kWorkers = 4;
constexpr int64_t kExpertBytes = 1'000'000, kPerMinute = 30 * kExpertBytes;

std::vector<double> RecordedLoad() {
  std::vector<double> load;
  std::ifstream file("tests/router/experts/recorded_load.csv");
  for (std::string line; std::getline(file, line);) {
    for (const auto field : absl::StrSplit(line, ',')) {
      load.push_back(0);
      EXPECT_TRUE(absl::SimpleAtod(field, &load.back())) << field;
    }
  }
  EXPECT_EQ(load.size(), static_cast<size_t>(kLayers * kExperts));
  return load;
}

// Of the workers' rows in all layers, and of the layer where it is worst: the busiest relative to
// the mean.
std::pair<double, double> Skew(const std::vector<Rebalancer::Worker>& workers,
                               const std::vector<double>& load) {
  std::vector<Shard> shards;
  std::vector<PlannedWorker> planned;
  for (const Rebalancer::Worker& worker : workers) {
    shards.push_back(worker.planned.held);
    planned.push_back(worker.planned);
  }
  double worst = 0, mean = 0;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const double skew = LayerSkew(shards, planned, load, layer, kExperts);
    worst = std::max(worst, skew);
    mean += skew / static_cast<double>(kLayers);
  }
  return {mean, worst};
}

TEST(RecordedLoadTest, NoWorkerHasMoreThan15PercentAboveTheMeanInTheEnd) {
  const std::vector<double> load = RecordedLoad();
  std::vector<Rebalancer::Worker> workers;
  for (int64_t w = 0; w < kWorkers; ++w) {
    // One copy, in the order of the experts (two of each could share any such load evenly); room
    // for a tenth more.
    workers.push_back({.id = static_cast<int>(w),
                       .planned = {.held = *Shard::Parse(absl::StrCat(w, "/4"), kLayers, kExperts),
                                   .capacity = kLayers * kExperts / 4 * 11 / 10},
                       .is_ours = true});
  }
  Rebalancer rebalancer({.goal = {.num_layers = kLayers, .num_experts = kExperts, .copies = 1},
                         .expert_bytes = kExpertBytes,
                         .even_bytes_per_minute = kPerMinute});
  const auto [mean_before, worst_before] = Skew(workers, load);
  absl::Time now = absl::UnixEpoch();
  int64_t num_loads = 0;
  for (int second = 0; second < 1200; ++second, now += absl::Seconds(1)) {
    const Rebalancer::Round round = rebalancer.Next(workers, load, now);
    num_loads += round.num_loads();
    EXPECT_LE(num_loads * kExpertBytes, kPerMinute + kPerMinute * (second + 1) / 60);
    for (size_t w = 0; w < workers.size(); ++w) {
      Shard& held = workers[w].planned.held;
      for (const int64_t at : round.moves[w].load) held.Set(at / kExperts, at % kExperts, true);
      EXPECT_LE(held.num_held(), workers[w].planned.capacity);
      for (const int64_t at : round.moves[w].drop) held.Set(at / kExperts, at % kExperts, false);
    }
  }
  const auto [mean_after, worst_after] = Skew(workers, load);
  std::printf(
      "busiest worker of a layer, of the mean: %.2f (worst %.2f) before, %.2f (%.2f) after "
      "%ld loads of %ld experts\n",
      mean_before, worst_before, mean_after, worst_after, static_cast<long>(num_loads),
      static_cast<long>(kLayers * kExperts));
  EXPECT_GT(worst_before, 1.15);
  EXPECT_LE(worst_after, 1.15);
}

}  // namespace
}  // namespace coterie

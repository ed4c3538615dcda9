#include "router/experts/copy_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace coterie {
namespace {

// Until when each worker is busy.
std::vector<double> Busy(const std::vector<CopyChoice::Expert>& experts,
                         const std::vector<int>& chosen, const std::vector<double>& slowness) {
  std::vector<double> busy(slowness.size());
  for (size_t e = 0; e < experts.size(); ++e) {
    const auto w = static_cast<size_t>(chosen[e]);
    busy[w] += ExpertCost(experts[e].num_rows) * slowness[w];
  }
  return busy;
}

TEST(CopyChoiceTest, EightExpertsOfOneTokenAreHalvedBetweenTwoWorkers) {
  const std::vector<int> both = {0, 1};
  const std::vector<CopyChoice::Expert> experts(8, {1, both});
  CopyChoice choice;
  const std::vector<int> chosen = choice.Choose(experts, std::vector<double>{1, 1});
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), 0), 4);
}

TEST(CopyChoiceTest, OthersGoRoundTheOneThatHasNoChoice) {
  const std::vector<int> both = {0, 1}, first = {0};
  // The bound ones come last, and are few rows.
  const std::vector<CopyChoice::Expert> experts = {{50, both}, {50, both}, {1, first},
                                                   {1, first}, {1, first}, {1, first}};
  CopyChoice choice;
  const std::vector<int> chosen = choice.Choose(experts, std::vector<double>{1, 1});
  EXPECT_EQ(chosen[0], 1);
  for (size_t e = 2; e < 6; ++e) EXPECT_EQ(chosen[e], 0);
}

TEST(CopyChoiceTest, AWorkerThatIsFourTimesAsSlowGetsAFifth) {
  const std::vector<int> both = {0, 1};
  const std::vector<CopyChoice::Expert> experts(100, {1, both});
  CopyChoice choice;
  const std::vector<int> chosen = choice.Choose(experts, std::vector<double>{4, 1});
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), 0), 20);
}

// Greedy by size is within 4/3 of the best for equal workers (Graham 1969); with two copies of each
// expert there are fewer ways to balance, so this asks for a little more room.
TEST(CopyChoiceTest, LoadIsNearlyEvenOverRandomLayers) {
  std::mt19937 rng(5);
  CopyChoice choice;
  for (int round = 0; round < 300; ++round) {
    const size_t num_workers = 2 + rng() % 6;
    std::vector<std::vector<int>> copies;
    std::vector<CopyChoice::Expert> experts;
    const size_t num_experts = num_workers * 8 + rng() % 64;
    copies.reserve(num_experts);
    for (size_t e = 0; e < num_experts; ++e) {
      const int first = static_cast<int>(rng() % num_workers);
      const int second =
          (first + 1 + static_cast<int>(rng() % (num_workers - 1))) % static_cast<int>(num_workers);
      copies.push_back({first, second});
      experts.push_back({static_cast<int64_t>(1 + rng() % 40), copies.back()});
    }
    const std::vector<double> slowness(num_workers, 1.0);
    const std::vector<int>& chosen = choice.Choose(experts, slowness);
    double sum = 0;
    for (size_t e = 0; e < num_experts; ++e) {
      EXPECT_TRUE(std::count(copies[e].begin(), copies[e].end(), chosen[e])) << "not a holder";
      sum += ExpertCost(experts[e].num_rows);
    }
    const std::vector<double> busy = Busy(experts, chosen, slowness);
    EXPECT_LT(*std::max_element(busy.begin(), busy.end()),
              1.4 * sum / static_cast<double>(num_workers));
  }
}

}  // namespace
}  // namespace coterie

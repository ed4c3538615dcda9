#include "router/experts/load_history.h"

#include <gtest/gtest.h>

#include <numeric>

namespace coterie {
namespace {

const absl::Time kStart = absl::UnixEpoch();

double Sum(const std::vector<double>& load) {
  return std::accumulate(load.begin(), load.end(), 0.0);
}

TEST(LoadHistoryTest, CountsWhatCameSinceAWorkerWasFirstSeen) {
  LoadHistory history(1, 2, absl::Minutes(1));
  const std::vector<uint64_t> first = {1000, 5}, second = {4000, 2005};
  history.Add("a", first, kStart);
  EXPECT_EQ(Sum(history.Load()), 0);
  history.Add("a", second, kStart);
  EXPECT_EQ(history.Load(), (std::vector<double>{3000, 2000}));
}

TEST(LoadHistoryTest, AWorkerThatBeganAnewIsAnother) {
  LoadHistory history(1, 2, absl::Minutes(1));
  const std::vector<uint64_t> none = {0, 0}, some = {3000, 1000};
  history.Add("a", none, kStart);
  history.Add("a", some, kStart);
  history.Add("b", none, kStart);
  history.Add("b", some, kStart);
  EXPECT_EQ(history.Load(), (std::vector<double>{6000, 2000}));
}

TEST(LoadHistoryTest, HalfIsForgottenAfterAHalfLife) {
  LoadHistory history(1, 2, absl::Minutes(1));
  const std::vector<uint64_t> none = {0, 0}, some = {4000, 8000};
  history.Add("a", none, kStart);
  history.Add("a", some, kStart);
  history.Add("a", some, kStart + absl::Minutes(1));
  EXPECT_DOUBLE_EQ(history.Load()[0], 2000);
  EXPECT_DOUBLE_EQ(history.Load()[1], 4000);
}

TEST(LoadHistoryTest, AFewRowsInOneLayerSayNothing) {
  LoadHistory history(2, 2, absl::Minutes(1));
  const std::vector<uint64_t> none = {0, 0, 0, 0}, some = {4000, 8000, 300, 10};
  history.Add("a", none, kStart);
  history.Add("a", some, kStart);
  EXPECT_EQ(Sum(history.Load()), 0);
}

TEST(LoadHistoryTest, CountsOfAnotherSizeAreNotTaken) {
  LoadHistory history(1, 2, absl::Minutes(1));
  const std::vector<uint64_t> wrong = {1, 2, 3};
  history.Add("a", wrong, kStart);
  history.Add("a", {}, kStart);
  EXPECT_EQ(Sum(history.Load()), 0);
}

}  // namespace
}  // namespace coterie

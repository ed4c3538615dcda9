#include "router/experts/worker_speed.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

TEST(WorkerSpeedTest, IsWorkForTheTimeItTook) {
  WorkerSpeed speed;
  speed.Add("a", 0, 0, 0);
  EXPECT_EQ(speed.measured(), 0);
  speed.Add("a", 200'000, 10'000, 2 * kSecond);  // 20 a run
  EXPECT_DOUBLE_EQ(speed.measured(), 200'000);
}

TEST(WorkerSpeedTest, ARestartDoesNotCountBackwards) {
  WorkerSpeed speed;
  speed.Add("a", 500'000, 0, 100 * kSecond);
  speed.Add("b", 600'000, 0, kSecond);  // what it did before it was seen
  EXPECT_EQ(speed.measured(), 0);
  speed.Add("b", 900'000, 0, 2 * kSecond);
  EXPECT_DOUBLE_EQ(speed.measured(), 300'000);
}

TEST(WorkerSpeedTest, NoiseChangesNothingThatIsUsed) {
  WorkerSpeed speed;
  EXPECT_EQ(speed.Use(0), 1);
  speed.Add("a", 0, 0, 0);
  speed.Add("a", 200'000, 0, kSecond);
  EXPECT_EQ(speed.Use(150'000), 1);  // 1.33 of the mean
  EXPECT_EQ(speed.Use(100'000), 2);  // twice the mean
  EXPECT_EQ(speed.Use(150'000), 2);  // not clearly something else than 2
  EXPECT_EQ(speed.Use(200'000), 1);
  EXPECT_EQ(speed.Use(1), 8);  // no more than can be believed
}

}  // namespace
}  // namespace coterie

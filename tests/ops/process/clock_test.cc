// The clock of timeouts, while the system's is set forth and back by hours.
#include "ops/process/clock.h"

#include <gtest/gtest.h>

#include <chrono>

#include "absl/time/time.h"
#include "tests/testing/jumping_clock.h"

namespace coterie {
namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr absl::Duration kJumps[] = {absl::Hours(1), -absl::Hours(2), absl::Hours(9000),
                                     absl::ZeroDuration()};

TEST(ClockTest, WhatPassesIsWhatTheMonotonicClockSays) {
  const absl::Time start = MonotonicNow();
  const auto steady_start = steady_clock::now();
  for (const absl::Duration jump : kJumps) {
    JumpingClock::SetOffset(jump);
    const auto before = absl::FromChrono(steady_clock::now() - steady_start);
    const absl::Duration passed = MonotonicNow() - start;
    const auto after = absl::FromChrono(steady_clock::now() - steady_start);
    EXPECT_GE(passed, before - absl::Milliseconds(1)) << jump;
    EXPECT_LE(passed, after + absl::Milliseconds(1)) << jump;
  }
}

TEST(ClockTest, ItBeginsAtTheSystemsTime) {
  EXPECT_LT(absl::AbsDuration(MonotonicNow() - absl::FromChrono(system_clock::now())),
            absl::Minutes(10));
}

TEST(ClockTest, DeadlinesAreAsFarAwayByEitherClock) {
  for (const absl::Duration jump : kJumps) {
    JumpingClock::SetOffset(jump);
    const absl::Time deadline = MonotonicNow() + absl::Seconds(100);
    const auto by_system = ToSystemClock(deadline);
    const absl::Duration left = absl::FromChrono(by_system - system_clock::now());
    EXPECT_LE(left, absl::Seconds(100)) << jump;
    EXPECT_GT(left, absl::Seconds(40)) << jump;
    EXPECT_LT(absl::AbsDuration(FromSystemClock(by_system) - deadline), absl::Seconds(60)) << jump;
  }
}

TEST(ClockTest, InfiniteDeadlinesStaySo) {
  EXPECT_EQ(ToSystemClock(absl::InfiniteFuture()), system_clock::time_point::max());
  EXPECT_EQ(FromSystemClock(system_clock::time_point::max()), absl::InfiniteFuture());
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::JumpingClock::RunUnderIt(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

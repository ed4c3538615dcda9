// Real signals, sent to this process: the first asks for a drain, the second (or one with nothing
// to finish) means leave.
#include "ops/process/drain_signal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <future>

namespace coterie {
namespace {

TEST(DrainSignalTest, FirstSignalAsksForADrain) {
  DrainSignal drain([](int) { FAIL() << "one signal must not end the process"; });
  EXPECT_FALSE(drain.WaitFor(absl::ZeroDuration()));
  kill(getpid(), SIGTERM);
  drain.Wait();
  EXPECT_TRUE(drain.WaitFor(absl::ZeroDuration()));
}

TEST(DrainSignalTest, SecondSignalLeaves) {
  std::promise<int> left;
  DrainSignal drain([&left](int signal) { left.set_value(signal); });
  kill(getpid(), SIGTERM);
  drain.Wait();
  kill(getpid(), SIGINT);
  EXPECT_EQ(left.get_future().get(), SIGINT);
}

TEST(DrainSignalTest, FirstSignalLeavesWhenThereIsNothingToFinish) {
  std::promise<int> left;
  DrainSignal drain([&left](int signal) { left.set_value(signal); });
  drain.SetSomethingToFinish(false);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(left.get_future().get(), SIGTERM);
}

TEST(DrainSignalTest, RequestNeedsNoSignal) {
  DrainSignal drain;
  drain.Request();
  drain.Wait();
}

}  // namespace
}  // namespace coterie

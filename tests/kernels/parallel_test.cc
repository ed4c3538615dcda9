#include "kernels/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

namespace coterie {
namespace {

TEST(ParallelTest, EveryTaskRunsOnceWhateverTheThreads) {
  for (int num_threads : {1, 2, 5}) {
    Parallel pool(num_threads, /*spin_us=*/1);
    for (int64_t num_tasks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> counts(static_cast<size_t>(num_tasks));
      pool.For(num_tasks, [&](int64_t task) { ++counts[static_cast<size_t>(task)]; });
      for (const std::atomic<int>& count : counts) EXPECT_EQ(count, 1);
    }
  }
}

// Many short regions in a row: threads that sleep, spin and wake must all see what the owner wrote
// before the region.
TEST(ParallelTest, RegionsSeeWhatWasWrittenBeforeThem) {
  Parallel pool(3, /*spin_us=*/2);
  std::vector<int64_t> in(64), out(64);
  for (int64_t round = 0; round < 3000; ++round) {
    std::iota(in.begin(), in.end(), round);
    pool.For(64, [&](int64_t task) {
      out[static_cast<size_t>(task)] = in[static_cast<size_t>(task)] * 2;
    });
    for (int64_t i = 0; i < 64; ++i) ASSERT_EQ(out[static_cast<size_t>(i)], 2 * (round + i));
  }
}

// The owner's own tasks take no time and those of others do, so that it sleeps until they have
// left.
TEST(ParallelTest, AnOwnerThatSleepsIsWoken) {
  Parallel pool(3, /*spin_us=*/0);
  const std::thread::id owner = std::this_thread::get_id();
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 2000; ++round) {
    pool.For(8, [&](int64_t task) {
      if (std::this_thread::get_id() != owner) {
        for (int turn = 0; turn < 20; ++turn) std::this_thread::yield();
      }
      sum += task;
    });
    ASSERT_EQ(sum, 28 * (round + 1));
  }
}

}  // namespace
}  // namespace coterie

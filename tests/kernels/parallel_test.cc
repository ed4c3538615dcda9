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

// The owner's task ends as soon as another thread is in one, which takes longer than the owner
// looks (64 turns), so that it sleeps until the other has left.
TEST(ParallelTest, AnOwnerThatSleepsIsWoken) {
  Parallel pool(2, /*spin_us=*/0);
  const std::thread::id owner = std::this_thread::get_id();
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> num_begun{0}, num_ended{0};
    pool.For(2, [&](int64_t) {
      if (std::this_thread::get_id() == owner) {
        while (num_begun == 0) std::this_thread::yield();
      } else {
        ++num_begun;
        for (int turn = 0; turn < 2000; ++turn) std::this_thread::yield();
      }
      ++num_ended;
    });
    ASSERT_EQ(num_ended, 2);
  }
}

}  // namespace
}  // namespace coterie

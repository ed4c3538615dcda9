#include "router/frontend/reader_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace coterie {
namespace {

TEST(ReaderPoolTest, WhatWaitsIsBoundedInBytesAndReadIsGivenBack) {
  std::mutex mu;
  std::condition_variable changed;
  bool may_go_on = false;
  int num_read = 0;
  const auto read = [&] {
    std::unique_lock<std::mutex> lock(mu);
    changed.wait(lock, [&] { return may_go_on; });
    ++num_read;
    changed.notify_all();
  };
  ReaderPool pool;
  constexpr int64_t kQuarter = ReaderPool::kWaitingBytesMax / 4;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.Post(kQuarter, read).ok());
  const absl::Status refused = pool.Post(kQuarter, read);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(RetryAfter(refused).has_value());
  {
    std::unique_lock<std::mutex> lock(mu);
    may_go_on = true;
    changed.notify_all();
    changed.wait(lock, [&] { return num_read >= 3; });
  }
  // The bytes of what was read come back a moment after it.
  while (!pool.Post(3 * kQuarter, read).ok()) std::this_thread::yield();
}

// A closure, and the body in it, goes when it has run, not with the last of its batch.
TEST(ReaderPoolTest, APieceOfWorkIsLetGoOfBeforeTheNext) {
  Pump pump(absl::Hours(1), [] {});
  const auto body = std::make_shared<int>(0);
  std::mutex mu;
  mu.lock();
  long uses = -1;
  pump.Post([&] { std::lock_guard<std::mutex> lock(mu); });  // so that the others are one batch
  pump.Post([body] {});
  pump.Post([&uses, weak = std::weak_ptr<int>(body)] { uses = weak.use_count(); });
  mu.unlock();
  std::atomic<bool> done = false;
  pump.Post([&] { done = true; });
  while (!done) std::this_thread::yield();
  EXPECT_EQ(uses, 1);
}

}  // namespace
}  // namespace coterie

// Who is served next. Tables for the order, and simulated servers that run for a while for what
// fairness promises in the end.
#include "router/scheduler/fair_queue.h"

#include <gtest/gtest.h>

#include <random>

namespace coterie {
namespace {

using Queue = FairQueue<int>;

absl::Time At(int64_t seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

class FairQueueTest : public testing::Test {
 protected:
  void Push(int item, const std::string& tenant, int priority = 0, int64_t arrived = 0) {
    queue_.Push(item, {tenant, priority, At(arrived)});
  }
  int Take(int64_t now = 0) { return queue_.Take(At(now)); }

  Queue queue_{{.weights = {{"heavy", 3}}, .promote_after = absl::Seconds(30)}};
};

TEST_F(FairQueueTest, OneTenantIsServedInOrderOfArrival) {
  for (int item : {1, 2, 3}) Push(item, "a");
  EXPECT_EQ(queue_.size(), 3u);
  for (int item : {1, 2, 3}) EXPECT_EQ(Take(), item);
  EXPECT_EQ(queue_.Next(At(0)), nullptr);
}

TEST_F(FairQueueTest, NextIsWhatTakeGives) {
  Push(1, "a");
  Push(2, "b", 1);
  ASSERT_NE(queue_.Next(At(0)), nullptr);
  EXPECT_EQ(*queue_.Next(At(0)), 2);
  EXPECT_EQ(Take(), 2);
}

TEST_F(FairQueueTest, HigherPriorityGoesFirst) {
  Push(1, "a", 0);
  Push(2, "a", -1);
  Push(3, "b", 5);
  EXPECT_EQ(Take(), 3);
  EXPECT_EQ(Take(), 1);
  EXPECT_EQ(Take(), 2);
}

TEST_F(FairQueueTest, TheLeastServedTenantGoesFirst) {
  Push(1, "a");
  Push(2, "a");
  Push(3, "b");
  EXPECT_EQ(Take(), 1);
  queue_.Charge("a", 100);
  EXPECT_EQ(Take(), 3);
  queue_.Charge("b", 200);
  Push(4, "b");
  EXPECT_EQ(Take(), 2);
}

TEST_F(FairQueueTest, AWeightOfThreeIsChargedAThird) {
  Push(1, "heavy");
  Push(2, "heavy");
  Push(3, "b");
  EXPECT_EQ(Take(), 1);
  queue_.Charge("heavy", 299);
  queue_.Charge("b", 100);
  EXPECT_EQ(Take(), 2);
}

TEST_F(FairQueueTest, APauseEarnsNoCredit) {
  Push(1, "a");
  Take();
  queue_.Charge("a", 1000);
  // b comes for the first time and is not a thousand tokens ahead.
  Push(2, "b");
  Take();
  queue_.Charge("b", 10);
  Push(3, "b");
  Push(4, "a");
  EXPECT_EQ(Take(), 4);
}

TEST_F(FairQueueTest, WhatHasWaitedTooLongGoesBeforeEverything) {
  Push(1, "a", 0, 0);
  Push(2, "b", 9, 20);
  EXPECT_EQ(*queue_.Next(At(29)), 2);
  EXPECT_EQ(*queue_.Next(At(30)), 1);
}

// It is served all the time, and has always waited too long.
TEST_F(FairQueueTest, TheAgeOfAFloodIsNoAdvantage) {
  for (int item = 0; item < 100; ++item) Push(item, "flood", 0, 0);
  for (int64_t now = 1; now < 60; ++now) queue_.Progressed("flood", 0, At(now));
  Push(1000, "a", 0, 60);
  queue_.Charge("flood", 1000);
  EXPECT_EQ(*queue_.Next(At(60)), 1000);
  EXPECT_FALSE(queue_.NextIsLate(At(60)));
  // Nothing of it was served for too long: now its age counts, for one.
  EXPECT_TRUE(queue_.NextIsLate(At(89)));
  EXPECT_EQ(Take(89), 0);
  EXPECT_EQ(Take(89), 1000);
}

TEST_F(FairQueueTest, RemovedItemsAreGoneAndTheRestStays) {
  for (int item = 0; item < 10; ++item) Push(item, item % 2 ? "a" : "b");
  queue_.RemoveIf([](int item) { return item < 8; });
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_EQ(Take(), 8);
  EXPECT_EQ(Take(), 9);
}

TEST_F(FairQueueTest, TenantsThatLeftAreForgotten) {
  for (int i = 0; i < 1000; ++i) {
    const std::string tenant = "tenant" + std::to_string(i);
    Push(i, tenant);
    Take();
    queue_.Charge(tenant, i);
    queue_.Leave(tenant);
  }
  EXPECT_EQ(queue_.num_tenants(), 0u);
}

// A server of `slots` items, each of which is charged `tokens_per_tick` a tick. Tenant 0 always
// keeps ten times as many waiting as the others, who keep `backlog` waiting each.
std::vector<int64_t> ServeFlood(Queue& queue, int num_tenants, int slots, int backlog,
                                std::mt19937& rng) {
  struct Running {
    int tenant;
    int64_t left;
  };
  std::vector<int64_t> served(static_cast<size_t>(num_tenants));
  std::vector<int> waiting(static_cast<size_t>(num_tenants));
  std::vector<Running> running;
  std::uniform_int_distribution<int64_t> length(50, 500);
  for (int64_t tick = 0; tick < 20000; ++tick) {
    for (int t = 0; t < num_tenants; ++t) {
      for (int& w = waiting[static_cast<size_t>(t)]; w < (t == 0 ? 10 : 1) * backlog; ++w)
        queue.Push(t, {std::to_string(t), 0, At(1000000)});
    }
    while (static_cast<int>(running.size()) < slots && !queue.empty()) {
      const int tenant = queue.Take(At(0));
      --waiting[static_cast<size_t>(tenant)];
      running.push_back({tenant, length(rng)});
    }
    std::erase_if(running, [&](Running& r) {
      queue.Charge(std::to_string(r.tenant), 10);
      served[static_cast<size_t>(r.tenant)] += 10;
      r.left -= 10;
      if (r.left > 0) return false;
      queue.Leave(std::to_string(r.tenant));
      return true;
    });
  }
  return served;
}

TEST_F(FairQueueTest, AFloodLeavesTheOthersTheirShare) {
  std::mt19937 rng(7);
  const std::vector<int64_t> served = ServeFlood(queue_, 10, 16, 2, rng);
  int64_t all = 0;
  for (int64_t tokens : served) all += tokens;
  for (size_t t = 1; t < served.size(); ++t)
    EXPECT_GE(static_cast<double>(served[t]), 0.95 * static_cast<double>(all) / 10)
        << "tenant " << t;
}

// Random pushes, takes and departures against the rules, restated plainly.
TEST_F(FairQueueTest, RandomWalksLoseNothing) {
  std::mt19937 rng(11);
  for (int walk = 0; walk < 200; ++walk) {
    Queue queue({.weights = {}, .promote_after = absl::Seconds(30)});
    std::map<int, QueueTicket> waiting;
    std::map<std::pair<std::string, int>, absl::Time> progressed;  // tenant, priority
    std::vector<std::string> running;
    for (int step = 0; step < 300; ++step) {
      const int64_t now = step;
      const auto kind = rng() % 4;
      if (kind < 2) {
        const QueueTicket ticket{std::to_string(rng() % 4), static_cast<int>(rng() % 3), At(now)};
        queue.Push(step, ticket);
        waiting[step] = ticket;
      } else if (kind == 2 && !queue.empty()) {
        const int item = queue.Take(At(now));
        ASSERT_TRUE(waiting.contains(item));
        const QueueTicket taken = waiting.at(item);
        const auto late = [&](const QueueTicket& ticket) {
          const absl::Time since =
              std::max(ticket.arrived, progressed[{ticket.tenant, ticket.priority}]);
          return At(now) - since >= absl::Seconds(30);
        };
        for (const auto& [other, ticket] : waiting) {
          // Nobody who has waited too long stands behind one who has not, and of one tenant and
          // priority the first comes first.
          if (late(ticket)) {
            EXPECT_TRUE(late(taken));
          }
          if (ticket.tenant == taken.tenant && ticket.priority == taken.priority) {
            EXPECT_LE(item, other);
          }
        }
        progressed[{taken.tenant, taken.priority}] = At(now);
        running.push_back(taken.tenant);
        queue.Charge(taken.tenant, static_cast<int64_t>(rng() % 500));
        waiting.erase(item);
      } else if (!running.empty()) {
        queue.Leave(running.back());
        running.pop_back();
      }
      ASSERT_EQ(queue.size(), waiting.size());
    }
    while (!queue.empty()) waiting.erase(queue.Take(At(1000)));
    EXPECT_TRUE(waiting.empty());
  }
}

}  // namespace
}  // namespace coterie

// What goes first, as tables of small stories, and a random walk whose invariants are: only leaves
// without pins go, everything goes in the end, nothing goes twice.
#include "kv_store/eviction_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;

class EvictionPolicyTest : public testing::Test {
 protected:
  static absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

  // A context of objects, each the parent of the next.
  void AddChain(const std::vector<int>& objects, int at) {
    for (size_t i = 0; i < objects.size(); ++i)
      policy_.Add(TestKey(objects[i]), TestKey(objects[i == 0 ? i : i - 1]), At(at));
    for (const int n : objects) numbers_[TestKey(n)] = n;
  }
  void Hint(int n, StoreHint hint, absl::Time now) {
    const ObjectKey key = TestKey(n);
    policy_.Hint({&key, 1}, hint, now);
  }
  // The next `count` to go.
  std::vector<int> Evict(int count, int at) {
    std::vector<int> gone;
    for (int i = 0; i < count; ++i) {
      const auto victim = policy_.Next(At(at));
      if (!victim) break;
      gone.push_back(numbers_.at(victim->key));
      policy_.Remove(victim->key);
    }
    return gone;
  }

  EvictionPolicy policy_;
  std::map<ObjectKey, int> numbers_;
};

TEST_F(EvictionPolicyTest, TheLongestUnusedContextGoesFromItsEnd) {
  AddChain({1, 2, 3}, 0);
  AddChain({4, 5}, 10);
  EXPECT_THAT(Evict(5, 20), ElementsAre(3, 2, 1, 5, 4));
  EXPECT_FALSE(policy_.Next(At(20)).has_value());
}

TEST_F(EvictionPolicyTest, AUseMakesItTheLastToGo) {
  AddChain({1}, 0);
  AddChain({2}, 1);
  policy_.Touch(TestKey(1), At(2));
  EXPECT_THAT(Evict(2, 3), ElementsAre(2, 1));
}

TEST_F(EvictionPolicyTest, WhatIsTouchedFromItsEndGoesFromItsEndEvenWithoutParents) {
  for (const int n : {1, 2, 3}) AddChain({n}, 0);
  for (const int n : {3, 2, 1}) policy_.Touch(TestKey(n), At(5));
  EXPECT_THAT(Evict(3, 9), ElementsAre(3, 2, 1));
  for (const int n : {1, 2, 3}) AddChain({n}, 10);
  for (const int n : {3, 2, 1}) Hint(n, StoreHint::kLater, At(10));
  EXPECT_THAT(Evict(3, 11), ElementsAre(3, 2, 1)) << "also where the farthest ahead goes";
}

TEST_F(EvictionPolicyTest, DoneGoesBeforeLaterBeforeUnusedBeforeSoon) {
  AddChain({1}, 0);
  AddChain({2}, 0);
  AddChain({3}, 0);
  AddChain({4}, 0);
  Hint(1, StoreHint::kSoon, At(0));
  Hint(2, StoreHint::kLater, At(0));
  Hint(3, StoreHint::kDone, At(0));
  EXPECT_THAT(Evict(4, 14), ElementsAre(3, 2, 4, 1));
}

TEST_F(EvictionPolicyTest, WhatIsLongOverdueIsNotWaitedFor) {
  AddChain({1}, 0);
  Hint(1, StoreHint::kSoon, At(0));
  AddChain({2}, 500);
  Hint(2, StoreHint::kLater, At(500));
  EXPECT_THAT(Evict(2, 520), ElementsAre(1, 2));
}

TEST_F(EvictionPolicyTest, AHintHoldsUntilTheNextUse) {
  AddChain({1}, 0);
  AddChain({2}, 5);
  Hint(2, StoreHint::kDone, At(5));
  policy_.Touch(TestKey(2), At(6));
  EXPECT_THAT(Evict(2, 10), ElementsAre(1, 2));
}

TEST_F(EvictionPolicyTest, AHintMayNameAContextWhosePartsHaveNoParentsHere) {
  for (const int n : {1, 2, 3, 4}) AddChain({n}, 0);
  policy_.Hint(std::vector{TestKey(1), TestKey(9), TestKey(2), TestKey(3)}, StoreHint::kDone,
               At(0));
  EXPECT_THAT(Evict(4, 1), ElementsAre(3, 2, 1, 4));
}

TEST_F(EvictionPolicyTest, AHintIsForTheWholeContext) {
  AddChain({1, 2, 3}, 0);
  AddChain({4, 5}, 0);
  Hint(3, StoreHint::kDone, At(50));
  EXPECT_THAT(Evict(5, 51), ElementsAre(3, 2, 1, 5, 4));
}

TEST_F(EvictionPolicyTest, ThatAContextIsDoneSaysNothingAboutWhatItShares) {
  AddChain({1, 2, 3}, 0);
  numbers_[TestKey(4)] = 4;
  policy_.Add(TestKey(4), TestKey(2), At(0));  // a sibling of 3
  AddChain({5}, 1);
  policy_.Touch(TestKey(2), At(30));
  policy_.Touch(TestKey(1), At(30));
  Hint(3, StoreHint::kDone, At(30));
  Hint(4, StoreHint::kDone, At(30));
  EXPECT_THAT(Evict(5, 31), ElementsAre(3, 4, 5, 2, 1));
}

TEST_F(EvictionPolicyTest, WhatIsPinnedStaysWithAllBeforeIt) {
  AddChain({1, 2, 3}, 0);
  policy_.Pin(TestKey(2));
  policy_.Pin(TestKey(2));
  EXPECT_THAT(Evict(9, 1), ElementsAre(3));
  policy_.Unpin(TestKey(2));
  EXPECT_THAT(Evict(9, 1), ElementsAre());
  policy_.Unpin(TestKey(2));
  EXPECT_THAT(Evict(9, 1), ElementsAre(2, 1));
}

TEST_F(EvictionPolicyTest, TakenOutOfTheMiddleItLeavesTwoContexts) {
  AddChain({1, 2, 3}, 0);
  policy_.Remove(TestKey(2));
  EXPECT_THAT(Evict(9, 1), ElementsAre(1, 3));
}

TEST_F(EvictionPolicyTest, RandomWalkGivesUpLeavesOnlyAndEverythingOnce) {
  std::mt19937 random(7);
  std::map<int, int> parent_of;  // what is held
  std::map<int, int> pins;
  int next = 0;
  for (int step = 0; step < 20000; ++step) {
    const int at = step / 7;
    const auto any = [&] {
      auto it = parent_of.begin();
      std::advance(it, static_cast<int>(random() % parent_of.size()));
      return it->first;
    };
    const uint32_t dice = random() % 10;
    if (parent_of.size() < 3 || (dice < 4 && parent_of.size() < 60)) {
      const int n = next++;
      const int parent = parent_of.empty() || random() % 4 == 0 ? n : any();
      numbers_[TestKey(n)] = n;
      policy_.Add(TestKey(n), TestKey(parent), At(at));
      parent_of[n] = parent;
    } else if (dice < 6) {
      policy_.Touch(TestKey(any()), At(at));
    } else if (dice < 7) {
      Hint(any(), static_cast<StoreHint>(random() % 4), At(at));
    } else if (dice < 8) {
      const int n = any();
      if (pins[n] > 0 && random() % 2 == 0) {
        --pins[n];
        policy_.Unpin(TestKey(n));
      } else {
        ++pins[n];
        policy_.Pin(TestKey(n));
      }
    } else if (const auto victim = policy_.Next(At(at)); victim) {
      const int n = numbers_.at(victim->key);
      ASSERT_TRUE(parent_of.contains(n)) << n << " is not held";
      ASSERT_EQ(pins[n], 0) << n << " is pinned";
      for (const auto& [child, parent] : parent_of)
        ASSERT_FALSE(parent == n && child != n) << n << " is the parent of " << child;
      policy_.Remove(victim->key);
      parent_of.erase(n);
    }
    ASSERT_EQ(policy_.size(), parent_of.size());
  }
  for (auto& [n, count] : pins) {
    while (parent_of.contains(n) && count-- > 0) policy_.Unpin(TestKey(n));
  }
  EXPECT_EQ(Evict(1000, 5000).size(), parent_of.size());
}

}  // namespace
}  // namespace coterie

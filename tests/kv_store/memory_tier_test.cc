// Objects in memory: what is seen when, what goes, and that what is read stays.
#include "kv_store/memory_tier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/kv_store/objects.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

absl::Status Put(MemoryTier* tier, const ObjectName& name,
                 const std::shared_ptr<const std::string>& payload, int at) {
  auto reservation = tier->Reserve(name, payload->size(), At(at));
  if (!reservation.ok()) return reservation.status();
  return tier
      ->Commit(*std::move(reservation), MeasurePayload(name.key, payload),
               ObjectChecksum(name.key, *payload), At(at))
      .status();
}
absl::Status Put(MemoryTier* tier, int n, size_t size, int at, const std::string& tenant = "t") {
  return Put(tier, TestName(n, tenant), TestPayload(n, size), at);
}

TEST(MemoryTierTest, AnObjectIsSeenFromItsCommitOn) {
  MemoryTier tier({.capacity_bytes = 1000});
  auto reservation = tier.Reserve(TestName(1), 300, At(0));
  ASSERT_TRUE(reservation.ok());
  EXPECT_EQ(tier.used_bytes(), 300u);
  EXPECT_FALSE(tier.Holds(TestKey(1)));
  EXPECT_EQ(tier.Acquire(TestKey(1), At(0)), nullptr);
  const auto payload = TestPayload(1, 300);
  ASSERT_TRUE(tier.Commit(*std::move(reservation), MeasurePayload(TestKey(1), payload),
                          ObjectChecksum(TestKey(1), *payload), At(0))
                  .ok());
  ASSERT_NE(tier.Acquire(TestKey(1), At(0)), nullptr);
  EXPECT_EQ(tier.Acquire(TestKey(1), At(0))->payload(), *payload);
}

TEST(MemoryTierTest, AReservationThatIsDroppedGivesItsRoomBack) {
  MemoryTier tier({.capacity_bytes = 1000});
  { auto reservation = tier.Reserve(TestName(1), 1000, At(0)); }
  EXPECT_EQ(tier.used_bytes(), 0u);
  EXPECT_TRUE(Put(&tier, 2, 1000, 1).ok());
}

TEST(MemoryTierTest, WhatDoesNotFitItsChecksumOrSizeIsNeverSeen) {
  MemoryTier tier({.capacity_bytes = 1000});
  const auto payload = TestPayload(1, 300);
  const uint64_t right = ObjectChecksum(TestKey(1), *payload);
  const auto commit = [&](const std::shared_ptr<const std::string>& bytes, uint64_t checksum) {
    return tier
        .Commit(*tier.Reserve(TestName(1), 300, At(0)), MeasurePayload(TestKey(1), bytes), checksum,
                At(0))
        .status();
  };
  EXPECT_TRUE(absl::IsDataLoss(commit(payload, right + 1)));
  EXPECT_TRUE(absl::IsDataLoss(commit(payload, ObjectChecksum(TestKey(2), *payload))))
      << "a payload under another's name";
  EXPECT_TRUE(absl::IsDataLoss(commit(TestPayload(1, 299), right)));
  EXPECT_FALSE(tier.Holds(TestKey(1)));
  EXPECT_EQ(tier.used_bytes(), 0u);
  EXPECT_TRUE(commit(payload, right).ok());
}

TEST(MemoryTierTest, OfTwoWritersTheFirstToCommitWins) {
  MemoryTier tier({.capacity_bytes = 1000});
  auto first = tier.Reserve(TestName(1), 10, At(0));
  auto second = tier.Reserve(TestName(1), 20, At(0));
  ASSERT_TRUE(first.ok() && second.ok());
  const auto ten = TestPayload(1, 10), twenty = TestPayload(1, 20);
  ASSERT_TRUE(tier.Commit(*std::move(second), MeasurePayload(TestKey(1), twenty),
                          ObjectChecksum(TestKey(1), *twenty), At(0))
                  .ok());
  EXPECT_TRUE(absl::IsAlreadyExists(tier.Commit(*std::move(first), MeasurePayload(TestKey(1), ten),
                                                ObjectChecksum(TestKey(1), *ten), At(0))
                                        .status()));
  EXPECT_TRUE(absl::IsAlreadyExists(tier.Reserve(TestName(1), 10, At(0)).status()));
  EXPECT_EQ(tier.Acquire(TestKey(1), At(0))->payload(), *twenty);
  EXPECT_EQ(tier.used_bytes(), 20u);
}

TEST(MemoryTierTest, WhatIsReadStaysWholeAndCountsUntilItIsLetGo) {
  MemoryTier tier({.capacity_bytes = 1000});
  ASSERT_TRUE(Put(&tier, 1, 400, 0).ok());
  ASSERT_TRUE(Put(&tier, 2, 400, 1).ok());
  ObjectRef read = tier.Acquire(TestKey(1), At(2));
  tier.Touch(std::vector{TestKey(2)}, At(100));
  ASSERT_TRUE(Put(&tier, 3, 400, 101).ok());
  EXPECT_TRUE(tier.Holds(TestKey(1))) << "it is the longest unused, but it is being read";
  EXPECT_FALSE(tier.Holds(TestKey(2)));
  EXPECT_EQ(tier.counts().skipped_readers, 1u);
  EXPECT_TRUE(absl::IsResourceExhausted(Put(&tier, 4, 700, 102)));
  EXPECT_TRUE(tier.Remove(TestKey(1)));
  EXPECT_EQ(tier.used_bytes(), 400u) << "3 went for 4, the reader still holds 1";
  EXPECT_EQ(read->payload(), *TestPayload(1, 400));
  read = nullptr;
  EXPECT_EQ(tier.used_bytes(), 0u);
  EXPECT_TRUE(Put(&tier, 4, 700, 103).ok());
}

TEST(MemoryTierTest, ATenantOverItsQuotaMakesRoomAmongItsOwn) {
  MemoryTier tier({.capacity_bytes = 1000, .tenant_bytes_max = 500});
  ASSERT_TRUE(Put(&tier, 1, 250, 0, "quiet").ok());
  for (int n = 2; n < 40; ++n) ASSERT_TRUE(Put(&tier, n, 250, n, "loud").ok());
  EXPECT_TRUE(tier.Holds(TestKey(1)));
  EXPECT_THAT(tier.tenant_bytes(), ElementsAre(Pair("loud", 500u), Pair("quiet", 250u)));
  EXPECT_TRUE(absl::IsResourceExhausted(Put(&tier, 50, 501, 60, "loud")));
}

TEST(MemoryTierTest, WithoutAQuotaTheLongestUnusedOfAllTenantsGoes) {
  MemoryTier tier({.capacity_bytes = 1000});
  ASSERT_TRUE(Put(&tier, 1, 500, 0, "a").ok());
  ASSERT_TRUE(Put(&tier, 2, 500, 1, "b").ok());
  ASSERT_TRUE(Put(&tier, 3, 500, 2, "b").ok());
  EXPECT_FALSE(tier.Holds(TestKey(1)));
  EXPECT_EQ(tier.counts().evicted, 1u);
  EXPECT_EQ(tier.counts().evicted_unused, 1u);
}

TEST(MemoryTierTest, WhatIsTooLargeIsRefused) {
  MemoryTier tier({.capacity_bytes = 1000});
  EXPECT_TRUE(
      absl::IsInvalidArgument(tier.Reserve(TestName(1), kObjectBytesMax + 1, At(0)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      tier.Reserve(TestName(1, std::string(kTenantBytesMax + 1, 't')), 1, At(0)).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(tier.Reserve(TestName(1), 1001, At(0)).status()));
  EXPECT_TRUE(Put(&tier, 1, 1000, 0).ok());
  EXPECT_TRUE(Put(&tier, 2, 0, 0).ok()) << "an empty object is one too";
}

// Readers compare every byte they see while writers come and go in too little memory.
TEST(MemoryTierTest, ReadersNeverSeeAnythingButWhatWasWritten) {
  constexpr int kObjects = 50;
  MemoryTier tier({.capacity_bytes = 20000});
  std::atomic<int64_t> num_read = 0, num_wrong = 0;
  std::atomic<int> clock = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand random(static_cast<uint32_t>(t) + 1);
      for (int i = 0; i < 3000; ++i) {
        const int n = static_cast<int>(random() % kObjects);
        const int now = clock++;
        if (t < 2) {
          Put(&tier, n, 900, now).IgnoreError();
          if (i % 50 == 0) tier.Remove(TestKey(static_cast<int>(random() % kObjects)));
        } else if (const ObjectRef object = tier.Acquire(TestKey(n), At(now)); object != nullptr) {
          ++num_read;
          num_wrong += object->payload() == *TestPayload(n, 900) ? 0 : 1;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(num_read, 100);
  EXPECT_EQ(num_wrong, 0);
  EXPECT_LE(tier.used_bytes(), 20000u);
  EXPECT_EQ(tier.used_bytes(), 900 * tier.num_objects());
}

}  // namespace
}  // namespace coterie

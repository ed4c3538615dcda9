#include "router/kv/fetch_policy.h"

#include <gtest/gtest.h>

#include "router/kv/store_health.h"

namespace coterie {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

TEST(FetchPolicyTest, FetchesWhatIsSoonerThereThanComputed) {
  FetchPolicy policy({.bytes_per_second = 100e6, .tokens_per_second = 1000});
  // 200 MB take two seconds: the break-even is at 2,001 tokens.
  EXPECT_FALSE(policy.Compare(200'000'000, 1900, kStart).worth_it());
  EXPECT_TRUE(policy.Compare(200'000'000, 2100, kStart).worth_it());
}

TEST(FetchPolicyTest, LearnsHowFastBothAre) {
  FetchPolicy policy({.bytes_per_second = 100e6, .tokens_per_second = 1000});
  for (int i = 0; i < 30; ++i) policy.ObserveFetch(1'000'000'000, absl::Seconds(1), kStart);
  EXPECT_TRUE(policy.Compare(200'000'000, 300, kStart).worth_it());
  for (int i = 0; i < 30; ++i) policy.ObservePrefill(512, absl::Milliseconds(51.2));
  EXPECT_NEAR(policy.tokens_per_second(), 10000, 1);
  EXPECT_FALSE(policy.Compare(200'000'000, 300, kStart).worth_it());
}

TEST(FetchPolicyTest, ASlowStoreIsTriedAgainAfterAMinute) {
  FetchPolicy policy({.bytes_per_second = 100e6, .tokens_per_second = 1000});
  for (int i = 0; i < 30; ++i) policy.ObserveFetch(1'000'000, absl::Seconds(10), kStart);
  EXPECT_FALSE(policy.Compare(10'000'000, 5000, kStart + absl::Seconds(59)).worth_it());
  EXPECT_TRUE(policy.Compare(10'000'000, 5000, kStart + absl::Seconds(61)).worth_it());
}

TEST(FetchPolicyTest, ADecodeStepSaysNothingOfPrefill) {
  FetchPolicy policy({.tokens_per_second = 1000});
  for (int i = 0; i < 30; ++i) policy.ObservePrefill(2, absl::Seconds(1));
  EXPECT_EQ(policy.tokens_per_second(), 1000);
}

TEST(FetchPolicyTest, NobodyWaitsMuchLongerThanComputingTakes) {
  const FetchPolicy policy({.bytes_per_second = 100e6, .tokens_per_second = 1000});
  // Two seconds are expected; four are the limit, but not where computing takes two and a half.
  const FetchPolicy::Times much = policy.Compare(199'900'000, 9000, kStart);
  EXPECT_EQ(policy.FetchLimit(much), absl::Milliseconds(4103));
  EXPECT_EQ(policy.FetchLimit(policy.Compare(199'900'000, 2500, kStart)), absl::Milliseconds(2603));
  EXPECT_EQ(policy.SilenceLimit(much, 900'000, kStart), absl::Milliseconds(123));
  // Where little is saved, little is risked.
  const FetchPolicy::Times little = policy.Compare(900'000, 100, kStart);
  EXPECT_EQ(policy.FetchLimit(little), absl::Milliseconds(28));
  EXPECT_EQ(policy.SilenceLimit(little, 900'000, kStart), absl::Milliseconds(28));
}

using Ask = StoreHealth::Ask;
using Call = StoreHealth::Call;

TEST(StoreHealthTest, IsLeftAloneAfterThreeFailuresInARow) {
  for (const Call call : {Call::kLookup, Call::kFetch}) {
    StoreHealth health(absl::Seconds(1));
    for (int i = 0; i < 10; ++i) {
      health.Failed(call, kStart);
      health.Failed(call, kStart);
      health.Answered(call);
    }
    EXPECT_EQ(health.MayAsk(kStart), Ask::kYes);
    for (int i = 0; i < 3; ++i) health.Failed(call, kStart);
    EXPECT_EQ(health.MayAsk(kStart + absl::Milliseconds(999)), Ask::kNo);
  }
}

TEST(StoreHealthTest, OneAsksAfterEveryPauseAndPausesGrow) {
  StoreHealth health(absl::Seconds(1));
  for (int i = 0; i < 3; ++i) health.Failed(Call::kLookup, kStart);
  absl::Time now = kStart;
  for (const int64_t pause : {1, 2, 4, 8, 16, 30, 30}) {
    EXPECT_EQ(health.MayAsk(now + absl::Seconds(pause) - absl::Milliseconds(1)), Ask::kNo);
    now += absl::Seconds(pause);
    EXPECT_EQ(health.MayAsk(now), Ask::kProbe);
    EXPECT_EQ(health.MayAsk(now), Ask::kNo);
  }
  health.Answered(Call::kLookup);
  EXPECT_EQ(health.MayAsk(now), Ask::kYes);
  for (int i = 0; i < 3; ++i) health.Failed(Call::kLookup, now);
  EXPECT_EQ(health.MayAsk(now + absl::Seconds(1)), Ask::kProbe);
}

TEST(StoreHealthTest, LookupsThatAreAnsweredDoNotExcuseFetchesThatAreNot) {
  StoreHealth health(absl::Seconds(1));
  absl::Time now = kStart;
  for (int i = 0; i < 3; ++i) {
    health.Answered(Call::kLookup);
    health.Failed(Call::kFetch, now);
  }
  for (const int64_t pause : {1, 2, 4}) {
    EXPECT_EQ(health.MayAsk(now), Ask::kNo);
    now += absl::Seconds(pause);
    EXPECT_EQ(health.MayAsk(now), Ask::kYes);
    health.Answered(Call::kLookup);
    health.Failed(Call::kFetch, now);  // one is enough
  }
  now += absl::Seconds(8);
  EXPECT_EQ(health.MayAsk(now), Ask::kYes);
  health.Answered(Call::kFetch);
  health.Failed(Call::kFetch, now);
  EXPECT_EQ(health.MayAsk(now), Ask::kYes);
}

}  // namespace
}  // namespace coterie

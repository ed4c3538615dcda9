#include "expert_worker/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "expert_worker/grouping.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

TEST(ShardTest, FractionsCoverEveryExpertOnce) {
  for (int64_t count : {1, 2, 3, 5, 8}) {
    std::vector<int> held(8);
    for (int64_t i = 0; i < count; ++i) {
      const Shard shard = *Shard::Parse(std::to_string(i) + "/" + std::to_string(count), 2, 8);
      for (int64_t e = 0; e < 8; ++e)
        held[static_cast<size_t>(e)] += shard.Holds(0, e) && shard.Holds(1, e) ? 1 : 0;
    }
    EXPECT_EQ(held, std::vector<int>(8, 1)) << count;
  }
}

TEST(ShardTest, EveryExpertIsInAsManyShardsAsThereAreCopies) {
  for (int64_t count : {2, 3, 4, 7}) {
    for (int64_t copies = 1; copies <= std::min<int64_t>(count, 3); ++copies) {
      std::vector<int64_t> held(128);
      for (int64_t i = 0; i < count; ++i) {
        const Shard shard = *Shard::Parse(absl::StrCat(i, "/", count, "x", copies), 1, 128);
        for (int64_t e = 0; e < 128; ++e) held[static_cast<size_t>(e)] += shard.Holds(0, e) ? 1 : 0;
        // None holds much more than its share.
        EXPECT_NEAR(static_cast<double>(shard.num_held()),
                    128.0 * static_cast<double>(copies) / static_cast<double>(count), 4);
      }
      EXPECT_EQ(held, std::vector<int64_t>(128, copies)) << count;
    }
  }
}

TEST(ShardTest, TheOthersShareWhatADeadShardHeld) {
  const Shard dead = *Shard::Parse("1/4x2", 1, 128);
  for (int64_t i : {0, 2, 3}) {
    const Shard other = *Shard::Parse(absl::StrCat(i, "/4x2"), 1, 128);
    int64_t shared = 0;
    for (int64_t e = 0; e < 128; ++e) shared += dead.Holds(0, e) && other.Holds(0, e) ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(shared), 64.0 / 3, 2) << i;
  }
}

TEST(ShardTest, ListsAndLayerRuns) {
  const Shard list = *Shard::Parse("0-2,7", 3, 8);
  EXPECT_EQ(list.num_held(), 12);
  const Shard runs = *Shard::Parse("0-1:0-7;2:3", 3, 8);
  EXPECT_EQ(runs.num_held(), 17);
  EXPECT_TRUE(runs.Holds(2, 3));
  EXPECT_FALSE(runs.Holds(2, 4));
}

TEST(ShardTest, BitmapsComeBack) {
  const Shard shard = *Shard::Parse("0:1-3;2:0,7", 3, 9);
  const Shard back = *Shard::FromBitmap(shard.Bitmap(), 3, 9);
  for (int64_t i = 0; i < 27; ++i) EXPECT_EQ(back.Holds(i / 9, i % 9), shard.Holds(i / 9, i % 9));
  EXPECT_FALSE(Shard::FromBitmap("x", 3, 9).ok());
}

TEST(ShardTest, MalformedTextIsNamed) {
  for (const char* text : {"", "x", "2/2", "-1/2", "0/0", "0/9", "1-", "3-1", "8", "0:1:2", "3:0",
                           "0-2;", "1,,2", "0/2/3", "0/2x0", "0/2x3", "0/2x", "0/2x1x1"}) {
    const auto shard = Shard::Parse(text, 3, 8);
    ASSERT_FALSE(shard.ok()) << text;
    EXPECT_THAT(std::string(shard.status().message()), HasSubstr("shard")) << text;
  }
}

TEST(GroupingTest, RunsHoldEveryPairOnceInOrder) {
  std::mt19937 rng(3);
  Grouping grouping;
  for (int round = 0; round < 50; ++round) {
    std::vector<int32_t> experts(rng() % 100);
    for (int32_t& e : experts) e = static_cast<int32_t>(rng() % 8);
    grouping.Group(experts, 8);
    std::vector<int> seen(experts.size());
    for (const Grouping::Run& run : grouping.runs()) {
      const auto pairs = grouping.pairs(run);
      EXPECT_TRUE(std::is_sorted(pairs.begin(), pairs.end()));
      for (int32_t pair : pairs) {
        EXPECT_EQ(experts[static_cast<size_t>(pair)], run.expert);
        ++seen[static_cast<size_t>(pair)];
      }
    }
    EXPECT_EQ(seen, std::vector<int>(experts.size(), 1));
  }
}

}  // namespace
}  // namespace coterie

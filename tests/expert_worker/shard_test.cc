#include "expert_worker/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

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
                           "0-2;", "1,,2", "0/2/3"}) {
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

#include "router/experts/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "router/experts/expert_outage.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Shard Parse(const char* text) { return *Shard::Parse(text, 2, 4); }

TEST(PlacementTest, CopiesAreTheWorkersThatHoldTheExpert) {
  const Placement placement(std::vector<Shard>{Parse("0-1"), Parse("1-3"), Parse("1:0")}, 2, 4);
  EXPECT_THAT(placement.copies(0, 0), ElementsAre(0));
  EXPECT_THAT(placement.copies(0, 1), ElementsAre(0, 1));
  EXPECT_THAT(placement.copies(1, 0), ElementsAre(0, 2));
  EXPECT_EQ(placement.Missing(), std::nullopt);
  EXPECT_EQ(placement.num_copies_min(), 1);
}

TEST(PlacementTest, AnExpertThatNobodyHoldsIsNamed) {
  const Placement placement(std::vector<Shard>{Parse("0-3"), Shard()}, 2, 4);
  EXPECT_EQ(placement.Missing(), std::nullopt);
  const Placement hole(std::vector<Shard>{Shard(), Parse("0:0-3;1:0,1,3")}, 2, 4);
  EXPECT_EQ(hole.Missing(), (ExpertId{1, 2}));
  EXPECT_EQ(hole.num_copies_min(), 0);
}

TEST(ExpertOutageTest, TheStatusSaysWhichExpertAndOthersAreNotTakenForIt) {
  const absl::Status status = ExpertOutage({3, 17}, "; worker a: connection lost");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("expert 17 of layer 3; worker a"));
  EXPECT_EQ(MissingExpert(status), (ExpertId{3, 17}));
  EXPECT_EQ(MissingExpert(absl::UnavailableError("gone")), std::nullopt);
  EXPECT_EQ(MissingExpert(absl::OkStatus()), std::nullopt);
}

}  // namespace
}  // namespace coterie

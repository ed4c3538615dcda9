// The index alone, over blocks of a few bytes.
#include "router/kv/prefix_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace coterie {
namespace {

constexpr int64_t kBlock = kKvBlockTokens;

class PrefixIndexTest : public testing::Test {
 protected:
  // `count` tokens from `first` on.
  static std::vector<int32_t> Tokens(int32_t first, int64_t count) {
    std::vector<int32_t> tokens(static_cast<size_t>(count));
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }
  BlockRef Block() { return BlockRef(&pool_, pool_.Take(), BlockUse::kIndex); }

  // Remembers all whole blocks of `tokens`, and a checkpoint at the end.
  PrefixIndex::Node* Remember(const std::vector<int32_t>& tokens, absl::Time now,
                              ResumeHint hint = ResumeHint::kNone, bool is_branch = false,
                              const std::string& salt = "") {
    PrefixIndex::Node* node = index_.Root(salt);
    index_.Enter(node);
    for (size_t at = 0; at + kBlock <= tokens.size(); at += kBlock) {
      PrefixIndex::Node* const next =
          index_.Insert(node, std::span(tokens).subspan(at, kBlock), Block());
      index_.Advance(node, next);
      node = next;
    }
    WindowCheckpoint checkpoint{.is_branch = is_branch};
    checkpoint.blocks.push_back(Block());
    index_.SetCheckpoint(node, std::move(checkpoint));
    index_.Leave(node, now, hint);
    return node;
  }
  int64_t Resumable(const std::vector<int32_t>& tokens, const std::string& salt = "") {
    const PrefixIndex::Match match = index_.Find(salt, tokens);
    return match.resume == nullptr ? 0 : match.resume->num_tokens();
  }
  static absl::Time At(int seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

  BlockPool pool_{64};
  PrefixIndex index_;
};

TEST_F(PrefixIndexTest, FindsTheLongestCommonRunOfWholeBlocks) {
  Remember(Tokens(0, 4 * kBlock), At(0));
  std::vector<int32_t> other = Tokens(0, 5 * kBlock);
  EXPECT_EQ(Resumable(other), 4 * kBlock);
  other[3 * kBlock + 7] = -1;
  const PrefixIndex::Match match = index_.Find("", other);
  EXPECT_EQ(match.deepest->num_tokens(), 3 * kBlock);
  EXPECT_EQ(match.resume, nullptr);  // the only checkpoint lies beyond
  EXPECT_EQ(Resumable(Tokens(0, 4 * kBlock - 1)), 0);
}

TEST_F(PrefixIndexTest, TenantsSeeNothingOfEachOther) {
  const std::vector<int32_t> tokens = Tokens(0, 2 * kBlock);
  Remember(tokens, At(0), ResumeHint::kNone, false, "a");
  EXPECT_EQ(Resumable(tokens, "a"), 2 * kBlock);
  EXPECT_EQ(Resumable(tokens, "b"), 0);
  EXPECT_EQ(index_.Find("b", tokens).deepest->num_tokens(), 0);
}

TEST_F(PrefixIndexTest, OfALineageTheLastTwoCheckpointsStayAndBranches) {
  Remember(Tokens(0, 2 * kBlock), At(0), ResumeHint::kNone, /*is_branch=*/true);
  for (int64_t blocks : {4, 6, 8, 10}) Remember(Tokens(0, blocks * kBlock), At(1));
  EXPECT_EQ(index_.num_checkpoints(), 3);
  EXPECT_EQ(Resumable(Tokens(0, 10 * kBlock)), 10 * kBlock);
  EXPECT_EQ(Resumable(Tokens(0, 9 * kBlock)), 8 * kBlock);
  EXPECT_EQ(Resumable(Tokens(0, 7 * kBlock)), 2 * kBlock);
}

TEST_F(PrefixIndexTest, LeavesGoFirstTheLongestUnusedOfThem) {
  std::vector<int32_t> a = Tokens(0, 3 * kBlock), b = a;
  b[2 * kBlock] = -1;
  Remember(a, At(10));
  Remember(b, At(20));
  ASSERT_TRUE(index_.EvictOne(At(30)));
  EXPECT_EQ(Resumable(a), 0);
  EXPECT_EQ(Resumable(b), 3 * kBlock);
  EXPECT_EQ(index_.num_nodes(), 3);
}

TEST_F(PrefixIndexTest, HintsSayWhoGoesFirst) {
  const std::vector<int32_t> soon = Tokens(0, kBlock), later = Tokens(1000, kBlock),
                             done = Tokens(2000, kBlock), none = Tokens(3000, kBlock);
  Remember(soon, At(0), ResumeHint::kSoon);
  Remember(none, At(5));
  Remember(later, At(10), ResumeHint::kLater);
  Remember(done, At(20), ResumeHint::kDone);
  std::vector<int64_t> left;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(index_.EvictOne(At(30)));
    left.push_back(Resumable(done) + 2 * Resumable(later) + 4 * Resumable(none) +
                   8 * Resumable(soon));
  }
  EXPECT_THAT(left, testing::ElementsAre(14 * kBlock, 12 * kBlock, 8 * kBlock));
}

TEST_F(PrefixIndexTest, OneThatWasExpectedSoonAndIsNotBackIsNoBetterThanOthers) {
  const std::vector<int32_t> soon = Tokens(0, kBlock), none = Tokens(3000, kBlock);
  Remember(soon, At(0), ResumeHint::kSoon);
  Remember(none, At(50));
  ASSERT_TRUE(index_.EvictOne(At(200)));
  EXPECT_EQ(Resumable(soon), 0);
  EXPECT_EQ(Resumable(none), kBlock);
}

TEST_F(PrefixIndexTest, WhatASequenceStandsOnStays) {
  PrefixIndex::Node* const node = Remember(Tokens(0, 2 * kBlock), At(0));
  index_.Enter(node);
  ASSERT_TRUE(index_.EvictOne(At(1)));  // the checkpoint only
  EXPECT_FALSE(index_.EvictOne(At(1)));
  EXPECT_EQ(index_.num_nodes(), 2);
  index_.Leave(node, At(2), ResumeHint::kNone);
  EXPECT_TRUE(index_.EvictOne(At(3)));
  EXPECT_TRUE(index_.EvictOne(At(3)));
  EXPECT_EQ(index_.num_nodes(), 0);
  EXPECT_EQ(pool_.num_used(), 0);
}

// Random contexts come, go and are forgotten; a plain list of what was remembered says what may be
// found, and when all is forgotten no block is left.
TEST_F(PrefixIndexTest, NeverFindsWhatWasNotRemembered) {
  std::mt19937 rng(7);
  std::vector<std::vector<int32_t>> remembered;
  for (int round = 0; round < 400; ++round) {
    std::vector<int32_t> tokens;
    if (!remembered.empty() && rng() % 3 != 0) tokens = remembered[rng() % remembered.size()];
    tokens.resize(tokens.size() / 2 / kBlock * kBlock);
    const int64_t blocks = 1 + rng() % 6;
    for (int64_t i = 0; i < blocks * kBlock; ++i) tokens.push_back(static_cast<int32_t>(rng() % 3));
    const PrefixIndex::Match match = index_.Find("", tokens);
    int64_t longest = 0;
    for (const auto& other : remembered) {
      const auto [own_end, other_end] =
          std::mismatch(tokens.begin(), tokens.end(), other.begin(), other.end());
      longest = std::max<int64_t>(longest, (own_end - tokens.begin()) / kBlock * kBlock);
    }
    EXPECT_LE(match.deepest->num_tokens(), longest);
    if (index_.num_evicted() == 0) {
      EXPECT_EQ(match.deepest->num_tokens(), longest);
    }
    Remember(tokens, At(round), static_cast<ResumeHint>(rng() % 4), rng() % 4 == 0);
    remembered.push_back(tokens);
    if (round > 200) index_.EvictOne(At(round));
  }
  while (index_.EvictOne(At(1000))) {
  }
  EXPECT_EQ(index_.num_nodes(), 0);
  EXPECT_EQ(index_.num_checkpoints(), 0);
  EXPECT_EQ(pool_.num_used(), 0);
}

}  // namespace
}  // namespace coterie

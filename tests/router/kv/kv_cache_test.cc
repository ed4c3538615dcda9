// Blocks and bytes of sequences; what is in the blocks is the trunk's.
#include "router/kv/kv_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "kernels/check.h"
#include "model/config.h"

namespace coterie {
namespace {

constexpr int64_t kBlock = kKvBlockTokens;

std::vector<int32_t> Tokens(int64_t count, int32_t first = 0) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

// Computes `tokens` in chunks, as the engine would.
bool Compute(KvCache::Sequence& kv, const std::vector<int32_t>& tokens, int64_t chunk) {
  const auto count = static_cast<int64_t>(tokens.size());
  while (kv.num_tokens() < count) {
    const int64_t end = std::min(count, kv.num_tokens() + chunk);
    if (!kv.Grow(end, absl::UnixEpoch())) return false;
    kv.Commit(tokens, end);
  }
  return true;
}

// The published 26B in bf16.
class Gemma26BTest : public testing::Test {
 protected:
  const ModelConfig config_ = Gemma4_26B();
  KvCache cache_{&config_,
                 {.type = KvType::kBF16, .prefill_chunk = 512, .budget_bytes = 8LL << 30}};
};

TEST_F(Gemma26BTest, ATokenTakes12800BytesThatGrowAndASequence200MiBThatDoNot) {
  EXPECT_EQ(cache_.layout().global_block_bytes(), 12800 * kBlock);
  EXPECT_EQ(cache_.layout().sliding_block_bytes() * 16, int64_t{200} << 20);
  const auto kv = cache_.Start("", Tokens(64000));
  // One block more than the window: neither of its ends lies on a border.
  ASSERT_TRUE(Compute(*kv, Tokens(63990), 512));
  ASSERT_TRUE(kv->Grow(63991, absl::UnixEpoch()));
  const int64_t sliding = kv->held_bytes() - 12800 * 64000;
  EXPECT_EQ(sliding, 17 * cache_.layout().sliding_block_bytes());
  EXPECT_LE(kv->held_bytes(), cache_.BytesFor(64000));
}

TEST_F(Gemma26BTest, APrefillOfChunksTakesNoMoreThanItsBound) {
  const std::vector<int32_t> tokens = Tokens(20000);
  const auto kv = cache_.Start("", tokens);
  for (int64_t end = 500; end <= 20000; end += 500) {
    ASSERT_TRUE(kv->Grow(end, absl::UnixEpoch()));
    EXPECT_LE(kv->held_bytes(), cache_.BytesFor(end)) << end;
    kv->Commit(tokens, end);
  }
}

TEST_F(Gemma26BTest, ALongContextKeepsACheckpointEvery16K) {
  const std::vector<int32_t> tokens = Tokens(40000);
  const auto kv = cache_.Start("", tokens);
  ASSERT_TRUE(Compute(*kv, tokens, 512));
  EXPECT_EQ(cache_.Start("", Tokens(39000))->num_resumed(), 2 * KvCache::kCheckpointInterval);
}

class SmallTest : public testing::Test {
 protected:
  static ModelConfig Config() {
    ModelConfig config = Gemma4_26B();
    config.num_layers = 6;
    config.layer_is_global.resize(6);
    config.sliding_window = 100;
    config.num_kv_heads_sliding = config.num_kv_heads_global = 1;
    config.head_dim_sliding = config.head_dim_global = 16;
    return config;
  }
  // A cache of so many blocks of both kinds.
  static KvOptions Options(const ModelConfig& config, int64_t blocks) {
    KvOptions options{.type = KvType::kBF16, .prefill_chunk = 64};
    const KvLayout layout(config, options);
    options.budget_bytes = blocks * (layout.sliding_block_bytes() + layout.global_block_bytes());
    return options;
  }

  const ModelConfig config_ = Config();
  KvCache cache_{&config_, Options(config_, 40)};
};

// For every length and every place where a follow-up parts from it: what can be resumed is what
// they share, less than one block.
TEST_F(SmallTest, AFollowUpResumesWithinABlockOfWhatItShares) {
  for (int64_t length = 65; length < 700; length += 7) {
    KvCache cache(&config_, Options(config_, 400));
    std::vector<int32_t> tokens = Tokens(length);
    const int64_t parts = length - length % 13;
    {
      const auto kv = cache.Start("", tokens);
      kv->ExpectResumeAt(length - 1);
      kv->ExpectResumeAt(parts);
      ASSERT_TRUE(Compute(*kv, tokens, 1 + length % 64));
      kv->Finish(absl::UnixEpoch(), ResumeHint::kNone);
    }
    // The same prompt again.
    EXPECT_GE(cache.Start("", tokens)->num_resumed(), length - 1 - 63) << length;
    // One that parts from it where it was expected to.
    std::vector<int32_t> other = tokens;
    other.resize(static_cast<size_t>(parts));
    for (int i = 0; i < 100; ++i) other.push_back(-1 - i);
    EXPECT_GE(cache.Start("", other)->num_resumed(), parts - 63) << length;
    // One that goes on from its end.
    tokens.push_back(-5);
    EXPECT_GE(cache.Start("", tokens)->num_resumed(), length - 63) << length;
  }
}

TEST_F(SmallTest, ABranchIsLearnedByTheSecondThatPartsThere) {
  KvCache cache(&config_, Options(config_, 400));
  const auto run = [&](int32_t last) {
    std::vector<int32_t> tokens = Tokens(300);
    for (int i = 0; i < 200; ++i) tokens.push_back(last + i);
    const auto kv = cache.Start("", tokens);
    CHECK(Compute(*kv, tokens, 64));
    const int64_t resumed = kv->num_resumed();
    kv->Finish(absl::UnixEpoch(), ResumeHint::kNone);
    return resumed;
  };
  EXPECT_EQ(run(1000), 0);
  EXPECT_EQ(run(2000), 0);
  EXPECT_EQ(run(3000), 256);
  EXPECT_EQ(run(4000), 256);
}

TEST_F(SmallTest, SequencesOfOnePromptShareItsBlocks) {
  const std::vector<int32_t> tokens = Tokens(400);
  const auto first = cache_.Start("", tokens);
  first->ExpectResumeAt(399);
  ASSERT_TRUE(Compute(*first, tokens, 64));
  const int64_t alone = cache_.held_bytes();
  std::vector<std::unique_ptr<KvCache::Sequence>> others;
  for (int i = 0; i < 8; ++i) {
    others.push_back(cache_.Start("", tokens));
    EXPECT_EQ(others.back()->num_resumed(), 384);
    ASSERT_TRUE(Compute(*others.back(), tokens, 64));
  }
  const KvLayout& layout = cache_.layout();
  // Each has a last block of its own; the sliding ones of the checkpoint reach further back than
  // those of a sequence that has gone on.
  EXPECT_LE(cache_.held_bytes(),
            alone + 9 * (layout.sliding_block_bytes() + layout.global_block_bytes()));
  // And each writes to its own.
  std::set<const std::byte*> last;
  for (const auto& kv : others) last.insert(kv->View(5).blocks[6]);
  EXPECT_EQ(last.size(), others.size());
}

TEST_F(SmallTest, WhatNobodyUsesMakesRoomAndThenThereIsNone) {
  for (int32_t i = 0; i < 20; ++i) {
    const std::vector<int32_t> tokens = Tokens(500, 1000 * i);
    const auto kv = cache_.Start("", tokens);
    ASSERT_TRUE(Compute(*kv, tokens, 64));
    kv->Finish(absl::UnixEpoch() + absl::Seconds(i), ResumeHint::kNone);
    EXPECT_LE(cache_.used_bytes(), cache_.options().budget_bytes);
  }
  EXPECT_EQ(cache_.held_bytes(), 0);
  EXPECT_GT(cache_.index().num_evicted(), 0);
  const std::vector<int32_t> tokens = Tokens(100000, 1000000);
  const auto kv = cache_.Start("", tokens);
  EXPECT_FALSE(Compute(*kv, tokens, 64));
  EXPECT_LE(cache_.used_bytes(), cache_.options().budget_bytes);
}

TEST_F(SmallTest, TheBytesToStartCountOnlyWhatIsNotHeldAlready) {
  const std::vector<int32_t> tokens = Tokens(400);
  const int64_t all = cache_.BytesToStart("", tokens);
  EXPECT_EQ(all, cache_.BytesFor(401));
  const auto kv = cache_.Start("", tokens);
  kv->ExpectResumeAt(399);
  ASSERT_TRUE(Compute(*kv, tokens, 64));
  EXPECT_LE(cache_.BytesToStart("", tokens), all - 6 * cache_.layout().global_block_bytes());
  EXPECT_EQ(cache_.BytesToStart("other", tokens), all);
}

TEST_F(SmallTest, WithoutPrefixCacheNothingIsKept) {
  KvOptions options = Options(config_, 40);
  options.prefix_cache = false;
  KvCache cache(&config_, options);
  const std::vector<int32_t> tokens = Tokens(400);
  for (int i = 0; i < 2; ++i) {
    const auto kv = cache.Start("", tokens);
    EXPECT_EQ(kv->num_resumed(), 0);
    ASSERT_TRUE(Compute(*kv, tokens, 64));
    kv->Finish(absl::UnixEpoch(), ResumeHint::kNone);
  }
  EXPECT_EQ(cache.used_bytes(), 0);
}

}  // namespace
}  // namespace coterie

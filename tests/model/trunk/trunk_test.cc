// The trunk where the goldens do not reach: prompts longer than a KV block, rows of several
// sequences in one step, and a cache in bf16. Method: Trunk and ExpertRunner alone against the
// reference, and against themselves bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "model/reference.h"
#include "tests/model/trunk/trunk_runner.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

// Three KV blocks and a piece of a fourth; the window is 8.
constexpr int64_t kLongTokens = 200;

std::vector<int32_t> RandomPrompt(int64_t num_tokens, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens = {2};
  while (static_cast<int64_t>(tokens.size()) < num_tokens)
    tokens.push_back(5 + static_cast<int32_t>(random() % (kTinyVocab - 5)));
  return tokens;
}

// Each position's largest difference, as a share of the largest expected logit of all, sorted.
template <typename T>
std::vector<double> Deviations(const std::vector<float>& found, const std::vector<T>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  double peak = 0;
  for (T value : expected) peak = std::max(peak, std::fabs(static_cast<double>(value)));
  std::vector<double> deviations(expected.size() / static_cast<size_t>(kTinyVocab));
  for (size_t i = 0; i < expected.size(); ++i) {
    double& worst = deviations[i / static_cast<size_t>(kTinyVocab)];
    worst = std::max(
        worst, std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i])) / peak);
  }
  std::sort(deviations.begin(), deviations.end());
  return deviations;
}

TEST(TrunkTest, LongPromptsEqualTheReferenceAcrossBlocks) {
  TrunkRunner runner(kCheckpoints + "tiny_f32", KvType::kF32, 2);
  for (uint32_t seed : {1u, 2u}) {
    const std::vector<int32_t> tokens = RandomPrompt(kLongTokens, seed);
    const std::vector<double> expected = RunReference(runner.checkpoint(), tokens).logits;
    const std::vector<double> deviations = Deviations(runner.Prompt(tokens, 48), expected);
    RecordProperty("worst_1e9", static_cast<int>(deviations.back() * 1e9));
    EXPECT_LT(deviations.back(), 2e-4) << "seed " << seed;
  }
}

class FormatTest : public testing::TestWithParam<const char*> {};

TEST_P(FormatTest, LongPromptsGiveTheSameBitsForEveryChunk) {
  for (KvType kv_type : {KvType::kF32, KvType::kBF16}) {
    TrunkRunner runner(kCheckpoints + GetParam(), kv_type, 2);
    const std::vector<int32_t> tokens = RandomPrompt(kLongTokens, 3);
    const std::vector<float> expected = runner.Prompt(tokens, 1);
    for (int64_t chunk : {7, 63, 64, 65, 200})
      EXPECT_EQ(runner.Prompt(tokens, chunk), expected) << "chunks of " << chunk;
  }
}

// A decode row, a prefill that crosses a block border and a young sequence, in one step.
TEST_P(FormatTest, RowsOfOtherSequencesChangeNoBit) {
  TrunkRunner runner(kCheckpoints + GetParam(), KvType::kBF16, 2);
  const std::vector<std::vector<int32_t>> prompts = {RandomPrompt(131, 4), RandomPrompt(90, 5),
                                                     RandomPrompt(9, 6)};
  const std::vector<int64_t> begins = {130, 40, 0};
  std::vector<TrunkRunner::Sequence> sequences(prompts.size());
  std::vector<TrunkRunner::Part> parts;
  std::vector<float> alone;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto count = static_cast<int64_t>(prompts[i].size());
    const std::vector<float> logits = runner.Prompt(prompts[i], count);
    alone.insert(alone.end(), logits.begin() + begins[i] * kTinyVocab, logits.end());
    const TrunkRunner::Part past{&sequences[i], prompts[i], 0, begins[i]};
    if (begins[i] > 0) runner.Run({&past, 1});
    parts.push_back({&sequences[i], prompts[i], begins[i], count});
  }
  EXPECT_EQ(runner.Run(parts), alone);
}

INSTANTIATE_TEST_SUITE_P(Formats, FormatTest,
                         testing::Values("tiny_f32", "tiny_bf16", "tiny_q8_0.gguf",
                                         "tiny_q4_0.gguf", "tiny256_q4_0_q6_k.gguf"));

// K and V lose 2^-9 of each value in bf16. A near-tie at the gate may flip for it and takes its
// position elsewhere, so the median is judged, and that something was rounded at all.
TEST(TrunkTest, Bf16CacheStaysNearTheF32Cache) {
  TrunkRunner exact(kCheckpoints + "tiny_f32", KvType::kF32, 1),
      rounded(kCheckpoints + "tiny_f32", KvType::kBF16, 1);
  const std::vector<int32_t> tokens = RandomPrompt(kLongTokens, 7);
  const std::vector<double> deviations =
      Deviations(rounded.Prompt(tokens, 64), exact.Prompt(tokens, 64));
  const double median = deviations[deviations.size() / 2];
  RecordProperty("median_1e6", static_cast<int>(median * 1e6));
  EXPECT_GT(median, 1e-5);
  EXPECT_LT(median, 0.05);
}

}  // namespace
}  // namespace coterie

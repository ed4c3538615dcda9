// Our fast path and our reference against transformers, on 64 unselected prompts of 24 to 40 tokens
// with a window of 8.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/isa.h"
#include "model/reference.h"
#include "tests/testing/goldens.h"
#include "tests/testing/local_forward.h"

namespace coterie {
namespace {

float Largest(const std::vector<float>& values) {
  float largest = 0;
  for (float v : values) largest = std::max(largest, std::fabs(v));
  return largest;
}

// The largest difference, as a share of the largest expected value.
template <typename T>
double Deviation(const std::vector<T>& found, const std::vector<float>& expected) {
  EXPECT_EQ(found.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst,
                     std::fabs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
  return worst / static_cast<double>(Largest(expected));
}

std::unique_ptr<Checkpoint> Open(const std::string& name) {
  auto checkpoint = Checkpoint::Open(kCheckpoints + name);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return *std::move(checkpoint);
}

TEST(GoldenTest, EveryLogitOfEveryPromptInFloat32) {
  LocalForward forward({.model = kCheckpoints + "tiny_f32"});
  for (const Golden& golden : ReadGoldens())
    EXPECT_LT(Deviation(forward.Logits(golden.prompt), golden.logits), 2e-4);
}

TEST(GoldenTest, Bf16WeightsStayWithinWhatTransformersLosesInBf16) {
  LocalForward forward({.model = kCheckpoints + "tiny_bf16"});
  std::vector<double> ours, theirs;
  for (const Golden& golden : ReadGoldens()) {
    ours.push_back(Deviation(forward.Logits(golden.prompt), golden.logits));
    theirs.push_back(golden.bf16_deviation);
  }
  // A near-tie at the gate can flip in either, and one flip moves a prompt anywhere: the prompts
  // are compared as a whole.
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  EXPECT_LE(ours[ours.size() / 2], theirs[theirs.size() / 2]);
  EXPECT_LE(ours[ours.size() / 4], theirs[theirs.size() / 4]);
  EXPECT_LE(ours[ours.size() * 3 / 4], theirs[theirs.size() * 3 / 4]);
}

TEST(GoldenTest, GreedyTokensAreTransformers) {
  LocalForward forward({.model = kCheckpoints + "tiny_f32"});
  for (const Golden& golden : ReadGoldens()) {
    const std::vector<int32_t> greedy =
        forward.Greedy(golden.prompt, static_cast<int64_t>(golden.greedy.size()));
    for (size_t i = 0; i < greedy.size(); ++i) {
      if (greedy[i] == golden.greedy[i]) continue;
      EXPECT_LT(golden.gaps[i], 2e-4 * 30)
          << "token " << i << " differs although the runner-up was far";
      break;  // what follows a tie is another text
    }
  }
}

TEST(GoldenTest, ReferenceAgreesWithTransformers) {
  const auto checkpoint = Open("tiny_f32");
  const std::vector<Golden> goldens = ReadGoldens();
  for (size_t i = 0; i < 8; ++i)
    EXPECT_LT(Deviation(RunReference(*checkpoint, goldens[i].prompt).logits, goldens[i].logits),
              2e-4);
}

// Within what float32 loses on the way to the gate: the reference computes in double, transformers
// in float32.
TEST(GoldenTest, GateChoosesTransformersExpertsAndWeights) {
  const auto checkpoint = Open("tiny_f32");
  const std::vector<Golden> goldens = ReadGoldens();
  std::vector<ReferenceOutput> outputs;
  for (size_t i = 0; i < 4; ++i) outputs.push_back(RunReference(*checkpoint, goldens[i].prompt));
  const std::vector<GoldenRoute> routes = ReadGoldenRoutes();
  ASSERT_GT(routes.size(), 500u);
  for (const GoldenRoute& route : routes) {
    const ReferenceOutput& output = outputs[static_cast<size_t>(route.prompt)];
    for (size_t r = 0; r < route.experts.size(); ++r) {
      const size_t at = static_cast<size_t>(route.position) * route.experts.size() + r;
      EXPECT_EQ(output.experts[static_cast<size_t>(route.layer)][at], route.experts[r]);
      EXPECT_NEAR(output.weights[static_cast<size_t>(route.layer)][at], route.weights[r], 5e-5);
    }
  }
}

TEST(GoldenTest, EveryMistakeIsNoticed) {
  const auto checkpoint = Open("tiny_f32");
  const std::vector<Golden> goldens = ReadGoldens();
  for (int m = 1; m < kNumReferenceMistakes; ++m) {
    const auto mistake = static_cast<ReferenceMistake>(m);
    // What cancels in the logits shows in the gate's weights; see the next test.
    if (mistake == ReferenceMistake::kNoTopKRenormalisation) continue;
    double worst = 0;
    for (size_t i = 0; i < 2; ++i)
      worst = std::max(
          worst,
          Deviation(RunReference(*checkpoint, goldens[i].prompt, {.mistake = mistake}).logits,
                    goldens[i].logits));
    EXPECT_GT(worst, 2e-4) << ReferenceMistakeName(mistake);
  }
}

TEST(GoldenTest, MissingRenormalisationShowsInTheGate) {
  const auto checkpoint = Open("tiny_f32");
  const ReferenceOutput wrong = RunReference(*checkpoint, ReadGoldens()[0].prompt,
                                             {.mistake = ReferenceMistake::kNoTopKRenormalisation});
  const GoldenRoute route = ReadGoldenRoutes().front();
  EXPECT_GT(std::fabs(wrong.weights[0][0] - route.weights[0]), 1e-4);
}

class RoundedTest : public testing::TestWithParam<const char*> {};

// The reference rounds what the engine rounds, in plain loops of its own. What is left is the
// engine's float sums: a position is equal to the last digits, until a sum tips one rounding; from
// there on the prompt is another computation. So every prompt must begin equal, and many positions
// beyond the window (8) must be: a wrong scale, nibble, order or mask leaves none.
TEST_P(RoundedTest, EqualsTheReferenceThatRoundsAlike) {
  const auto checkpoint = Open(GetParam());
  LocalForward forward({.model = kCheckpoints + GetParam()});
  int equal_first = 0, equal_beyond_window = 0;
  std::vector<Golden> goldens = ReadGoldens();
  goldens.resize(24);
  for (const Golden& golden : goldens) {
    const std::vector<double> exact =
        RunReference(*checkpoint, golden.prompt, {.round_as_engine = true}).logits;
    const std::vector<float> found = forward.Logits(golden.prompt);
    for (std::ptrdiff_t row = 0; row < static_cast<std::ptrdiff_t>(golden.prompt.size()); ++row) {
      const std::ptrdiff_t begin = row * kTinyVocab, end = begin + kTinyVocab;
      const bool equal =
          Deviation(std::vector<float>(found.begin() + begin, found.begin() + end),
                    std::vector<float>(exact.begin() + begin, exact.begin() + end)) < 1e-5;
      equal_first += equal && row == 0 ? 1 : 0;
      equal_beyond_window += equal && row >= 8 ? 1 : 0;
    }
  }
  RecordProperty("equal_beyond_window", equal_beyond_window);
  EXPECT_EQ(equal_first, static_cast<int>(goldens.size()));
  EXPECT_GT(equal_beyond_window, 30);
}

INSTANTIATE_TEST_SUITE_P(Formats, RoundedTest,
                         testing::Values("tiny_bf16", "tiny_q8_0.gguf", "tiny_q4_0.gguf",
                                         "tiny_q4_0_split.gguf", "tiny256_q4_0_q6_k.gguf"));

TEST(GoldenTest, FusedAndSplitExpertsGiveTheSameBits) {
  LocalForward fused({.model = kCheckpoints + "tiny_q4_0.gguf"}),
      split({.model = kCheckpoints + "tiny_q4_0_split.gguf"});
  const std::vector<int32_t> prompt = ReadGoldens()[0].prompt;
  EXPECT_EQ(fused.Logits(prompt), split.Logits(prompt));
}

TEST(GoldenTest, BothConfigSpellingsAndFormatsDescribeOneModel) {
  LocalForward directory({.model = kCheckpoints + "tiny_bf16"}),
      gguf({.model = kCheckpoints + "tiny_bf16.gguf"});
  const std::vector<int32_t> prompt = ReadGoldens()[1].prompt;
  EXPECT_EQ(directory.Logits(prompt), gguf.Logits(prompt));
}

TEST(GoldenTest, QuantisingWhileLoadingEqualsTheQuantisedFile) {
  LocalForward loaded({.model = kCheckpoints + "tiny_bf16", .load = {.quantise = DType::kQ8_0}}),
      file({.model = kCheckpoints + "tiny_q8_0.gguf"});
  const std::vector<int32_t> prompt = ReadGoldens()[2].prompt;
  EXPECT_EQ(loaded.Logits(prompt), file.Logits(prompt));
}

class SameBitsTest : public testing::TestWithParam<const char*> {};

TEST_P(SameBitsTest, WhateverTheChunkTheThreadsAndTheInstructionSet) {
  const std::string model = kCheckpoints + GetParam();
  const Golden golden = ReadGoldens()[3];
  LocalForward one({.model = model, .num_threads = 1}), two({.model = model, .num_threads = 2});
  const std::vector<float> expected = one.Logits(golden.prompt);
  for (int64_t chunk : {1, 3, 7, 8, 9, 64})
    EXPECT_EQ(two.Logits(golden.prompt, chunk), expected) << "chunks of " << chunk;
  const Isa best = CurrentIsa();
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    EXPECT_EQ(two.Logits(golden.prompt, 5), expected) << IsaName(isa);
  }
  SetIsa(best);
}

INSTANTIATE_TEST_SUITE_P(Formats, SameBitsTest,
                         testing::Values("tiny_f32", "tiny_bf16", "tiny_q8_0.gguf",
                                         "tiny_q4_0.gguf", "tiny256_q4_0_q6_k.gguf"));

}  // namespace
}  // namespace coterie

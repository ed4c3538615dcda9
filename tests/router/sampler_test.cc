// Logits with known probabilities in, many draws out: what may be drawn at all, and how often.
#include "router/sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace coterie {
namespace {

using ::testing::HasSubstr;

constexpr int kDraws = 20000;
// Nearly six standard deviations of the share of kDraws draws.
constexpr double kShareBound = 0.02;

// Probabilities 0.5, 0.3, 0.15 and 0.05, with ids in another order. Not normalised: a softmax must
// not mind.
constexpr double kShares[] = {0.15, 0.5, 0.05, 0.3};

std::vector<float> LogitsOf(std::span<const double> shares) {
  std::vector<float> logits;
  for (double share : shares) logits.push_back(static_cast<float>(std::log(share) + 3));
  return logits;
}

std::vector<int32_t> Draw(SamplingParams params, std::span<const float> logits, int count) {
  Sampler sampler(params);
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<int32_t> id = sampler.Sample(logits);
    if (!id.ok()) {
      ADD_FAILURE() << id.status();
      break;
    }
    ids.push_back(*id);
  }
  return ids;
}

// How much of `ids` each id below `size` is.
std::vector<double> SharesOf(const std::vector<int32_t>& ids, size_t size) {
  std::vector<double> shares(size);
  for (int32_t id : ids)
    shares.at(static_cast<size_t>(id)) += 1.0 / static_cast<double>(ids.size());
  return shares;
}

TEST(SamplerTest, GreedyTakesTheHighestAndTheLowestIdOnATie) {
  const struct {
    std::vector<float> logits;
    int32_t expected;
  } cases[] = {{{3}, 0},           {{1, 2, 3}, 2},      {{3, 2, 1}, 0},  {{-5, -1, -3}, 1},
               {{0, 4, 1, 4}, 1},  {{2, 2, 2}, 0},      {{0, -1, 0}, 0}, {{-3e38f, 3e38f}, 1},
               {{-0.0f, 0.0f}, 0}, {{1, 1.0000001f}, 1}};
  for (const auto& [logits, expected] : cases) {
    // Neither the other settings nor the number of draws matter to it.
    const std::vector<int32_t> drawn =
        Draw({.temperature = 0, .top_k = 3, .top_p = 0.5f, .seed = 9}, logits, 20);
    EXPECT_EQ(drawn, std::vector<int32_t>(20, expected)) << testing::PrintToString(logits);
  }
}

TEST(SamplerTest, DrawsFollowTheSettings) {
  const struct {
    const char* what;
    SamplingParams params;
    std::vector<double> weights;  // relative, by id; 0: never drawn
  } cases[] = {
      {"the softmax", {.temperature = 1}, {15, 50, 5, 30}},
      {"hotter is flatter",
       {.temperature = 2},
       {std::sqrt(15), std::sqrt(50), std::sqrt(5), std::sqrt(30)}},
      {"colder is steeper", {.temperature = 0.5f}, {225, 2500, 25, 900}},
      {"next to nothing is greedy", {.temperature = 1e-38f}, {0, 1, 0, 0}},
      {"top_k 1", {.temperature = 1, .top_k = 1}, {0, 1, 0, 0}},
      {"top_k 2", {.temperature = 1, .top_k = 2}, {0, 50, 0, 30}},
      {"top_k 3", {.temperature = 1, .top_k = 3}, {15, 50, 0, 30}},
      {"top_k of all", {.temperature = 1, .top_k = 4}, {15, 50, 5, 30}},
      {"top_k of more than there are", {.temperature = 1, .top_k = 1000}, {15, 50, 5, 30}},
      {"top_p keeps one at least", {.temperature = 1, .top_p = 1e-30f}, {0, 1, 0, 0}},
      {"top_p below the first", {.temperature = 1, .top_p = 0.49f}, {0, 1, 0, 0}},
      {"top_p above the first", {.temperature = 1, .top_p = 0.51f}, {0, 50, 0, 30}},
      {"top_p below two", {.temperature = 1, .top_p = 0.79f}, {0, 50, 0, 30}},
      {"top_p above two", {.temperature = 1, .top_p = 0.81f}, {15, 50, 0, 30}},
      {"top_p below three", {.temperature = 1, .top_p = 0.94f}, {15, 50, 0, 30}},
      {"top_p above three", {.temperature = 1, .top_p = 0.96f}, {15, 50, 5, 30}},
      {"top_p is a share of what top_k left: 50 of 80",
       {.temperature = 1, .top_k = 2, .top_p = 0.6f},
       {0, 1, 0, 0}},
      {"top_p is a share after temperature: 68 of 100",
       {.temperature = 0.5f, .top_p = 0.6f},
       {0, 1, 0, 0}},
      {"and hotter takes more of them: 38 and 30",
       {.temperature = 2, .top_p = 0.7f},
       {std::sqrt(15), std::sqrt(50), 0, std::sqrt(30)}},
      {"min_p keeps what has 59 % of the best", {.temperature = 1, .min_p = 0.59f}, {0, 50, 0, 30}},
      {"min_p drops what has less", {.temperature = 1, .min_p = 0.61f}, {0, 1, 0, 0}},
      {"min_p of one keeps the best", {.temperature = 1, .min_p = 1}, {0, 1, 0, 0}},
      {"min_p is a share after temperature",
       {.temperature = 2, .min_p = 0.5f},
       {std::sqrt(15), std::sqrt(50), 0, std::sqrt(30)}},
      {"min_p and top_p: what both keep",
       {.temperature = 1, .top_p = 0.94f, .min_p = 0.5f},
       {0, 50, 0, 30}},
  };
  for (const auto& [what, params, weights] : cases) {
    SCOPED_TRACE(what);
    const std::vector<double> shares =
        SharesOf(Draw(params, LogitsOf(kShares), kDraws), weights.size());
    double total = 0;
    for (double weight : weights) total += weight;
    for (size_t id = 0; id < weights.size(); ++id) {
      EXPECT_NEAR(shares[id], weights[id] / total, kShareBound) << "id " << id;
      EXPECT_EQ(shares[id] > 0, weights[id] > 0) << "id " << id;
    }
  }
}

TEST(SamplerTest, TopKOfEqualLogitsKeepsTheLowestIds) {
  std::vector<float> logits(300, 1.0f);
  logits[250] = 2;
  for (const int64_t k : {2, 7, 40, 299}) {
    const std::vector<double> shares =
        SharesOf(Draw({.temperature = 1, .top_k = k}, logits, kDraws), logits.size());
    for (size_t id = 0; id < logits.size(); ++id) {
      const bool kept = id == 250 || static_cast<int64_t>(id) < (id < 250 ? k - 1 : k);
      EXPECT_EQ(shares[id] > 0, kept) << "id " << id << " of top_k " << k;
    }
  }
}

TEST(SamplerTest, ADrawDependsOnItsSeedAndItsNumberAlone) {
  const std::vector<float> logits = LogitsOf(kShares);
  const SamplingParams params = {.temperature = 1, .seed = 41};
  const std::vector<int32_t> draws = Draw(params, logits, 200);
  EXPECT_EQ(Draw(params, logits, 200), draws);
  // What was drawn from before does not matter, only that something was.
  Sampler sampler(params);
  const float other[] = {0, 7};
  for (size_t i = 0; i < draws.size(); ++i) {
    if (i % 3 == 0)
      ASSERT_TRUE(sampler.Sample(other).ok());
    else
      EXPECT_EQ(*sampler.Sample(logits), draws[i]) << "draw " << i;
  }
}

TEST(SamplerTest, SeedsHaveDrawsOfTheirOwn) {
  const std::vector<float> logits = LogitsOf(kShares);
  const auto draws = [&](uint64_t seed) {
    return Draw({.temperature = 1, .seed = seed}, logits, 200);
  };
  const uint64_t seeds[] = {0, 1, 2, 3, 1000, 1ULL << 32, 1ULL << 63, ~0ULL};
  for (uint64_t a : seeds) {
    for (uint64_t b : seeds) {
      if (a == b) continue;
      EXPECT_NE(draws(a), draws(b)) << a << " and " << b;
      // Nor is one the other, some draws later.
      const std::vector<int32_t> x = draws(a), y = draws(b);
      for (std::ptrdiff_t lag = 1; lag <= 4; ++lag)
        EXPECT_FALSE(std::equal(x.begin() + lag, x.end(), y.begin())) << a << " and " << b;
    }
  }
}

// Requests often have seeds that count up, and one token each.
TEST(SamplerTest, FirstDrawsOfConsecutiveSeedsFollowTheSoftmax) {
  const std::vector<float> logits = LogitsOf(kShares);
  std::vector<int32_t> firsts;
  for (uint64_t seed = 0; seed < kDraws; ++seed)
    firsts.push_back(Draw({.temperature = 1, .seed = seed}, logits, 1).at(0));
  const std::vector<double> shares = SharesOf(firsts, logits.size());
  for (size_t id = 0; id < logits.size(); ++id) EXPECT_NEAR(shares[id], kShares[id], kShareBound);
}

TEST(SamplerTest, LogitsThatAreNotFiniteAreRefused) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity}) {
    for (const float temperature : {0.0f, 1.0f}) {
      for (size_t at = 0; at < 5; ++at) {
        std::vector<float> logits = {1, 5, 2, 4, 3};
        logits[at] = bad;
        // top_k would leave most of them out, but they are a sign that all are wrong.
        Sampler sampler({.temperature = temperature, .top_k = 1});
        const absl::StatusOr<int32_t> id = sampler.Sample(logits);
        EXPECT_EQ(id.status().code(), absl::StatusCode::kInternal)
            << bad << " at " << at << ", temperature " << temperature;
      }
    }
  }
}

TEST(SamplerTest, SettingsOutOfRangeAreRefusedByName) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInfinity = std::numeric_limits<float>::infinity();
  for (const SamplingParams& good :
       {SamplingParams{}, {.temperature = 10}, {.temperature = 1e-30f}, {.top_p = 1e-30f}})
    EXPECT_TRUE(good.Validate().ok()) << good.Validate();
  for (const float temperature : {-0.001f, 10.001f, kNan, kInfinity, -kInfinity}) {
    const absl::Status status = SamplingParams{.temperature = temperature}.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << temperature;
    EXPECT_THAT(std::string(status.message()), HasSubstr("temperature"));
  }
  for (const float top_p : {0.0f, -0.1f, 1.001f, kNan, kInfinity}) {
    const absl::Status status = SamplingParams{.top_p = top_p}.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << top_p;
    EXPECT_THAT(std::string(status.message()), HasSubstr("top_p"));
  }
}

TEST(LogprobsTest, AreTheLogarithmsOfTheSoftmax) {
  // An offset as large as this overflows an exp() that does not mind it.
  for (const float offset : {0.0f, 1000.0f, -1000.0f}) {
    std::vector<float> logits = LogitsOf(kShares);
    for (float& logit : logits) logit += offset;
    for (int32_t id = 0; id < 4; ++id) {
      EXPECT_NEAR(ComputeLogprobs(logits, id, 0).chosen, std::log(kShares[id]), 1e-3)
          << "id " << id << ", offset " << offset;
    }
  }
}

TEST(LogprobsTest, TheBestComeFirstAndAllOfThemAddUpToOne) {
  std::vector<float> logits(101);
  for (size_t id = 0; id < logits.size(); ++id)
    logits[id] = static_cast<float>(id * 37 % 50) / 10;  // most of them twice
  const auto all = static_cast<int64_t>(logits.size());
  const TokenLogprobs result = ComputeLogprobs(logits, 3, all);
  ASSERT_EQ(result.top.size(), logits.size());
  double total = 0;
  for (size_t i = 0; i < result.top.size(); ++i) {
    const auto& [id, logprob] = result.top[i];
    total += std::exp(static_cast<double>(logprob));
    EXPECT_EQ(logprob, ComputeLogprobs(logits, id, 0).chosen) << "id " << id;
    if (i == 0) continue;
    const auto& [previous_id, previous] = result.top[i - 1];
    EXPECT_TRUE(previous > logprob || (previous == logprob && previous_id < id))
        << "id " << previous_id << " before id " << id;
  }
  EXPECT_NEAR(total, 1, 1e-5);
  for (const int64_t num_top : {int64_t{0}, int64_t{1}, int64_t{20}, all + 5}) {
    const TokenLogprobs fewer = ComputeLogprobs(logits, 3, num_top);
    const auto count = static_cast<std::ptrdiff_t>(std::min(num_top, all));
    EXPECT_EQ(fewer.chosen, result.chosen);
    EXPECT_EQ(fewer.top, decltype(fewer.top)(result.top.begin(), result.top.begin() + count));
  }
}

}  // namespace
}  // namespace coterie

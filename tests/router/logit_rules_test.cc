// What a request changes about the logits. Every rule against its formula, alone and together.
#include "router/sampling/logit_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Applied(const LogitRuleParams& params, std::vector<int32_t> prompt,
                           const std::vector<int32_t>& answer, std::vector<float> logits,
                           std::vector<int32_t> stop_ids = {}) {
  LogitRules rules(params, prompt, std::move(stop_ids));
  for (const int32_t token : answer) rules.Append(token);
  rules.Apply(logits);
  return logits;
}

TEST(LogitRulesTest, WithoutRulesNothingChanges) {
  EXPECT_TRUE(LogitRuleParams().empty());
  EXPECT_THAT(Applied({}, {0, 1}, {2, 2}, {1, -1, 3}, {0}), ElementsAre(1, -1, 3));
}

TEST(LogitRulesTest, RepetitionDividesWhatIsPositiveAndMultipliesWhatIsNegative) {
  EXPECT_THAT(Applied({.repetition_penalty = 2}, {0}, {1, 1}, {4, -4, 4, -4}),
              ElementsAre(2, -8, 4, -4));
}

TEST(LogitRulesTest, PresenceAndFrequencyCountTheAnswerAlone) {
  EXPECT_THAT(
      Applied({.presence_penalty = 0.5, .frequency_penalty = 0.25}, {0}, {1, 1, 2}, {1, 1, 1, 1}),
      ElementsAre(1, 0, 0.25, 1));
}

TEST(LogitRulesTest, ANegativePenaltyEncourages) {
  EXPECT_THAT(Applied({.presence_penalty = -1}, {}, {1}, {0, 0}), ElementsAre(0, 1));
}

TEST(LogitRulesTest, BiasIsAddedAfterThePenalties) {
  EXPECT_THAT(Applied({.repetition_penalty = 2, .bias = {{1, 100}, {2, -100}}}, {1}, {}, {0, 4, 1}),
              ElementsAre(0, 102, -99));
}

TEST(LogitRulesTest, StopTokensWaitForTheLeastLength) {
  const float never = std::numeric_limits<float>::lowest();
  EXPECT_THAT(Applied({.min_tokens = 2}, {}, {}, {1, 2, 3}, {2}), ElementsAre(1, 2, never));
  EXPECT_THAT(Applied({.min_tokens = 2}, {}, {0}, {1, 2, 3}, {2}), ElementsAre(1, 2, never));
  EXPECT_THAT(Applied({.min_tokens = 2}, {}, {0, 0}, {1, 2, 3}, {2}), ElementsAre(1, 2, 3));
}

TEST(LogitRulesTest, BadParametersAreRefusedByName) {
  const auto refused = [](const LogitRuleParams& params, const char* name) {
    const absl::Status status = params.Validate(10);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  };
  const float nan = std::nanf("");
  for (const float bad : {0.0f, -1.0f, 10.5f, nan})
    refused({.repetition_penalty = bad}, "repetition_penalty");
  for (const float bad : {2.5f, -2.5f, nan}) {
    refused({.presence_penalty = bad}, "presence_penalty");
    refused({.frequency_penalty = bad}, "frequency_penalty");
  }
  refused({.bias = {{10, 0}}}, "logit_bias");
  refused({.bias = {{-1, 0}}}, "logit_bias");
  refused({.bias = {{1, 101}}}, "logit_bias");
  refused({.bias = {{1, nan}}}, "logit_bias");
  refused({.bias = std::vector<std::pair<int32_t, float>>(2000)}, "logit_bias");
  refused({.min_tokens = -1}, "min_tokens");
  EXPECT_TRUE(LogitRuleParams({.repetition_penalty = 1.1f, .bias = {{9, -100}}}).Validate(10).ok());
}

}  // namespace
}  // namespace coterie

#include "router/rails/rails.h"

#include <gtest/gtest.h>

namespace coterie {
namespace {

using Verdict = Rails::Verdict;

constexpr int32_t kChannelBegin = 100, kChannelEnd = 101, kCallBegin = 48, kCallEnd = 49,
                  kResponseBegin = 50, kResponseEnd = 51;

RailsParams Chat() {
  ChatTokens tokens;
  tokens.channel_begin = kChannelBegin;
  tokens.channel_end = kChannelEnd;
  tokens.call_begin = kCallBegin;
  tokens.call_end = kCallEnd;
  tokens.response_begin = kResponseBegin;
  tokens.response_end = kResponseEnd;
  return {.chat = tokens};
}

// A call of tool `name` and its result.
void AddRound(std::vector<int32_t>* prompt, int32_t name, int32_t result) {
  prompt->insert(prompt->end(),
                 {kCallBegin, name, 7, kCallEnd, kResponseBegin, name, result, kResponseEnd});
}

Verdict Call(Rails& rails, int32_t name) {
  Verdict verdict = Verdict::kGoOn;
  for (const int32_t token : {kCallBegin, name, 7, kCallEnd}) verdict = rails.Append(token);
  return verdict;
}

TEST(RailsTest, ThinkingIsClosedWhenItsBudgetIsSpent) {
  RailsParams params = Chat();
  params.thinking_tokens_max = 3;
  Rails rails(params, {}, 100);
  rails.Append(kChannelBegin);
  for (int32_t token : {1, 2, 3}) {
    EXPECT_FALSE(rails.Forced().has_value());
    rails.Append(token);
  }
  EXPECT_EQ(rails.Forced(), kChannelEnd);
  rails.Append(kChannelEnd);
  EXPECT_FALSE(rails.Forced().has_value());
  EXPECT_EQ(rails.num_reasoning_tokens(), 3);
  // Of all channels together: a second one is closed at once.
  rails.Append(kChannelBegin);
  EXPECT_EQ(rails.Forced(), kChannelEnd);
}

TEST(RailsTest, WithoutABudgetAQuarterIsLeftToAnswerWith) {
  RailsParams params = Chat();
  params.starts_in_channel = true;
  Rails rails(params, {}, 40);
  for (int32_t i = 0; i < 30; ++i) {
    EXPECT_FALSE(rails.Forced().has_value()) << i;
    rails.Append(i);
  }
  EXPECT_EQ(rails.Forced(), kChannelEnd);
}

// To force the channel's end into a call would break the call.
TEST(RailsTest, ACallEndsTheChannelAndIsNoReasoning) {
  RailsParams params = Chat();
  params.thinking_tokens_max = 2;
  params.starts_in_channel = true;
  Rails rails(params, {}, 100);
  rails.Append(1);
  EXPECT_EQ(Call(rails, 200), Verdict::kGoOn);
  EXPECT_FALSE(rails.Forced().has_value());
  EXPECT_EQ(rails.num_reasoning_tokens(), 1);
}

TEST(RailsTest, AnAnswerThatRepeatsItselfIsStopped) {
  Rails rails({}, {}, 1000);
  int stopped_at = 0;
  for (int i = 0; stopped_at == 0 && i < 200; ++i) {
    if (rails.Append(i % 5) == Verdict::kRepetition) stopped_at = i;
  }
  EXPECT_EQ(stopped_at, 47);
}

TEST(RailsTest, TheSameCallAfterTheSameResultsIsALoop) {
  std::vector<int32_t> prompt = {2, 5, 6};
  for (int i = 0; i < ToolLoop::kRounds; ++i) AddRound(&prompt, 200, 9);
  {
    Rails rails(Chat(), prompt, 100);
    EXPECT_EQ(Call(rails, 201), Verdict::kGoOn);
    EXPECT_EQ(Call(rails, 200), Verdict::kToolLoop);
  }
  RailsParams off = Chat();
  off.stop_loops = false;
  Rails rails(off, prompt, 100);
  EXPECT_EQ(Call(rails, 200), Verdict::kGoOn);
}

TEST(RailsTest, WhoPollsUntilSomethingChangesIsNotInALoop) {
  std::vector<int32_t> prompt;
  for (int i = 0; i < 10; ++i) AddRound(&prompt, 200, 300 + i);
  Rails rails(Chat(), prompt, 100);
  EXPECT_EQ(Call(rails, 200), Verdict::kGoOn);
}

TEST(RailsTest, ARoundBetweenBreaksTheLoop) {
  std::vector<int32_t> prompt;
  for (int i = 0; i < ToolLoop::kRounds - 1; ++i) AddRound(&prompt, 200, 9);
  AddRound(&prompt, 201, 9);
  AddRound(&prompt, 200, 9);
  Rails rails(Chat(), prompt, 100);
  EXPECT_EQ(Call(rails, 200), Verdict::kGoOn);
}

TEST(RailsTest, AnEndlessPromptOfBrokenCallsIsHarmless) {
  std::vector<int32_t> prompt(1000, kCallBegin);
  prompt.resize(2000, kCallEnd);
  prompt.resize(3000, kResponseBegin);
  Rails rails(Chat(), prompt, 100);
  EXPECT_EQ(Call(rails, 200), Verdict::kGoOn);
}

}  // namespace
}  // namespace coterie

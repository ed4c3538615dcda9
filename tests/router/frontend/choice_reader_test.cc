// Tokens of the demo model's vocabulary through the reader of one answer.
#include "router/frontend/choice_reader.h"

#include <gtest/gtest.h>

#include "tests/model/chat/chat_tokenizers.h"

namespace coterie {
namespace {

class ChoiceReaderTest : public testing::Test {
 protected:
  ChoiceReaderTest()
      : tokenizer_(ReadTokenizer("trained")), chat_(*ChatTokens::Create(*tokenizer_)) {}

  struct Result {
    ChatOutput output;
    bool stopped = false;
    std::string matched;
    bool wants_tool_results = false;
  };
  Result Read(const std::string& text, ChoiceReader::Options options,
              std::optional<int32_t> stop_token = std::nullopt) {
    ChoiceReader reader(tokenizer_.get(), std::move(options));
    std::vector<ChatEvent> events;
    const std::vector<int32_t> tokens = *tokenizer_->Encode(text, ControlTokens::kParse);
    for (const int32_t token : tokens) {
      EXPECT_TRUE(reader.Append(token, &events).ok());
      if (reader.stopped()) break;
    }
    if (!reader.stopped()) reader.Finish(stop_token, &events);
    Result result{.stopped = reader.stopped(),
                  .matched = reader.matched_stop(),
                  .wants_tool_results = !reader.stopped() && reader.wants_tool_results()};
    for (const ChatEvent& event : events) result.output.Add(event);
    return result;
  }
  ChoiceReader::Options Chat(std::vector<std::string> stop = {}) {
    return {.chat = chat_, .stop = std::move(stop)};
  }

  const std::unique_ptr<const Tokenizer> tokenizer_;
  const ChatTokens chat_;
};

TEST_F(ChoiceReaderTest, ReasoningAndAnswerAreApart) {
  const Result result = Read("<|channel>thought\nSTOP is in here<channel|>The answer.",
                             Chat({"STOP"}), chat_.turn_end);
  EXPECT_EQ(result.output.reasoning, "STOP is in here");
  EXPECT_EQ(result.output.content, "The answer.");
  EXPECT_FALSE(result.stopped);
}

TEST_F(ChoiceReaderTest, AStopStringEndsTheTextBeforeIt) {
  const Result result = Read("one, two, three", Chat({"three", "two"}));
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.matched, "two");
  EXPECT_EQ(result.output.content, "one, ");
}

TEST_F(ChoiceReaderTest, WhatWasHeldBackComesBeforeACall) {
  const Result result =
      Read("Let me see th<|tool_call>call:get_weather{city:<|\"|>Oslo<|\"|>}<tool_call|>",
           Chat({"three"}), chat_.response_begin);
  EXPECT_EQ(result.output.content, "Let me see th");
  ASSERT_EQ(result.output.calls.size(), 1u);
  EXPECT_EQ(result.output.calls[0].arguments, R"({"city":"Oslo"})");
  EXPECT_TRUE(result.wants_tool_results);
}

TEST_F(ChoiceReaderTest, HalfAStopStringAtTheEndIsText) {
  EXPECT_EQ(Read("one, tw", Chat({"two"}), chat_.turn_end).output.content, "one, tw");
}

TEST_F(ChoiceReaderTest, TextHidesOrShowsControlTokens) {
  EXPECT_EQ(Read("a<turn|>b", {}).output.content, "ab");
  EXPECT_EQ(Read("a<turn|>b", {.show_control = true}).output.content, "a<turn|>b");
}

TEST_F(ChoiceReaderTest, ATokenThatIsNoneIsAnError) {
  ChoiceReader reader(tokenizer_.get(), {});
  std::vector<ChatEvent> events;
  EXPECT_EQ(reader.Append(1 << 20, &events).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace coterie

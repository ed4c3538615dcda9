// Goal: what a prompt says will stay, stays, whatever the model answers and whatever comes then;
// and it is not less than it could be. Method: the golden conversations under all options, each
// gone on with in every way the format has, over two vocabularies.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/check.h"
#include "model/chat_json.h"
#include "model/chat_message.h"
#include "model/chat_segments.h"
#include "model/chat_template.h"
#include "tests/model/chat/chat_tokenizers.h"
#include "tests/model/chat/conversations.h"

namespace coterie {
namespace {

using ::testing::AnyOf;

// What may follow a prompt. Each begins with an assistant's message.
const std::vector<std::vector<ChatMessage>>& Continuations() {
  static const auto* const continuations = [] {
    const auto messages = [](const char* json) {
      absl::StatusOr<std::vector<ChatMessage>> parsed = ChatMessagesFromJson(*ParseChatJson(json));
      CHECK(parsed.ok()) << parsed.status().ToString();
      return *std::move(parsed);
    };
    const char kAnswer[] =
        R"([{"role":"assistant","content":"Yes."},{"role":"user","content":"?"}])";
    const char kBlank[] = R"([{"role":"assistant","content":""},{"role":"user","content":" "}])";
    const char kMerging[] =
        R"([{"role":"assistant","content":"\n\nlo<turn|> model"},{"role":"user","content":"\n"}])";
    const char kThought[] =
        R"([{"role":"assistant","content":"Yes.","reasoning":"Is it?"},{"role":"user","content":"?"}])";
    const char kCall[] = R"([{"role":"assistant","content":"","reasoning":"Ask.","tool_calls":[)"
                         R"({"id":"call_1","function":{"name":"f","arguments":{"a":1}}}]},)"
                         R"({"role":"tool","tool_call_id":"call_1","content":"2"}])";
    const char kCallAndText[] =
        R"([{"role":"assistant","content":"I ask.","tool_calls":[)"
        R"({"id":"call_1","function":{"name":"f","arguments":{"a":1}}}]},)"
        R"({"role":"tool","tool_call_id":"call_1","content":"2"},)"
        R"({"role":"assistant","content":"2"},{"role":"user","content":"?"}])";
    const char kUnanswered[] =
        R"([{"role":"assistant","tool_calls":[{"id":"x","function":{"name":"f","arguments":{}}}]},)"
        R"({"role":"user","content":"never mind"}])";
    return new std::vector<std::vector<ChatMessage>>{
        messages(kAnswer), messages(kBlank),       messages(kMerging),   messages(kThought),
        messages(kCall),   messages(kCallAndText), messages(kUnanswered)};
  }();
  return *continuations;
}

EncodedChat Encode(const Tokenizer& tokenizer, const ChatPrompt& prompt) {
  absl::StatusOr<EncodedChat> chat = EncodeChat(tokenizer, prompt.segments, prompt.stable_bytes);
  CHECK(chat.ok()) << chat.status().ToString();
  CHECK(chat->tokens == *EncodeChat(tokenizer, prompt.segments));
  return *std::move(chat);
}

size_t NumEqual(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  const auto [end, unused] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(end - a.begin());
}

ChatOptions Options(int combination, bool add_generation_prompt) {
  return {.enable_thinking = (combination & 1) != 0,
          .preserve_thinking = (combination & 2) != 0,
          .add_generation_prompt = add_generation_prompt};
}

TEST(StablePromptTest, WhatIsStableStaysWhateverFollows) {
  const std::vector<Conversation> conversations = ReadConversations();
  for (const char* name : {"tiny", "trained"}) {
    const auto tokenizer = ReadTokenizer(name);
    int num_exact = 0, num_prompts = 0;
    for (size_t i = 0; i < conversations.size(); ++i) {
      const Conversation& conversation = conversations[i];
      if (!conversation.text) continue;
      const ChatOptions options =
          Options(static_cast<int>(i % 4), conversation.options.add_generation_prompt);
      const std::vector<ChatMessage> messages = *ChatMessagesFromJson(conversation.messages);
      const EncodedChat chat =
          Encode(*tokenizer, *RenderChat(messages, conversation.tools, options));
      ASSERT_LE(chat.num_stable, chat.tokens.size());
      size_t num_equal_min = chat.tokens.size();
      for (const std::vector<ChatMessage>& continuation : Continuations()) {
        std::vector<ChatMessage> longer = messages;
        longer.insert(longer.end(), continuation.begin(), continuation.end());
        const auto prompt = RenderChat(longer, conversation.tools, options);
        ASSERT_TRUE(prompt.ok()) << prompt.status() << conversation.line;
        const EncodedChat next = Encode(*tokenizer, *prompt);
        const size_t num_equal = NumEqual(chat.tokens, next.tokens);
        ASSERT_GE(num_equal, chat.num_stable) << conversation.line;
        // The same place is stable in the next prompt too, or a later one.
        ASSERT_GE(next.num_stable, chat.num_stable) << conversation.line;
        num_equal_min = std::min(num_equal_min, num_equal);
      }
      ++num_prompts;
      // "model\n" is the most that is lost: what it merges with is not known.
      num_exact += num_equal_min - chat.num_stable <=
                   tokenizer->Encode("model\n", ControlTokens::kPlainText)->size();
    }
    EXPECT_GE(num_prompts, 1000) << name;
    EXPECT_EQ(num_exact, num_prompts) << name;
  }
}

// Without reasoning, all is stable up to where the model speaks.
TEST(StablePromptTest, OnlyTheGenerationPromptIsNotStable) {
  int num_prompts = 0;
  for (const Conversation& conversation : ReadConversations()) {
    if (!conversation.text) continue;
    std::vector<ChatMessage> messages = *ChatMessagesFromJson(conversation.messages);
    for (ChatMessage& message : messages) message.reasoning.clear();
    const auto prompt = RenderChat(messages, conversation.tools, conversation.options);
    if (!prompt.ok()) continue;  // nothing but reasoning was in a message
    const std::string text = ChatText(prompt->segments);
    EXPECT_THAT(text.substr(prompt->stable_bytes),
                AnyOf("", "<|channel>thought\n", "model\n", "model\n<|channel>thought\n<channel|>",
                      "<|turn>model\n", "<|turn>model\n<|channel>thought\n<channel|>"));
    ++num_prompts;
  }
  EXPECT_GE(num_prompts, 1000);
}

struct Case {
  const char* messages;
  ChatOptions options;
  const char* stable;  // the end of what is
};

TEST(StablePromptTest, Examples) {
  const char kLoop[] =
      R"([{"role":"user","content":"a"},{"role":"assistant","reasoning":"b","tool_calls":[)"
      R"({"id":"1","function":{"name":"f","arguments":{}}}]},)"
      R"({"role":"tool","tool_call_id":"1","content":"c"}])";
  const Case cases[] = {
      {R"([{"role":"user","content":"a"}])", {}, "a<turn|>\n<|turn>"},
      {R"([{"role":"user","content":"a"}])", {.enable_thinking = true}, "a<turn|>\n<|turn>"},
      {R"([{"role":"user","content":"a"}])", {.add_generation_prompt = false}, "a<turn|>\n"},
      // A new user's message would hide the reasoning.
      {kLoop, {.enable_thinking = true}, "a<turn|>\n<|turn>"},
      {kLoop, {.enable_thinking = true, .preserve_thinking = true}, "<tool_response|>"},
      {R"([{"role":"user","content":"a"},{"role":"assistant","tool_calls":[)"
       R"({"id":"1","function":{"name":"f","arguments":{}}}]}])",
       {},
       "<tool_call|>"},
  };
  for (const auto& [json, options, stable] : cases) {
    const ChatPrompt prompt = *RenderChat(*ChatMessagesFromJson(*ParseChatJson(json)), {}, options);
    const std::string text = ChatText(prompt.segments).substr(0, prompt.stable_bytes);
    EXPECT_TRUE(absl::EndsWith(text, stable)) << text;
  }
}

}  // namespace
}  // namespace coterie

// Goal: what is wrong with a conversation is said, with the place of the message; what people wrote
// is never trusted. Method: tables of cases. The texts themselves are golden_test's.
#include "model/chat_template.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/chat_message.h"
#include "model/chat_tokens.h"

namespace coterie {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<ChatPrompt> Render(const std::string& messages, const std::string& tools = "[]") {
  const auto parsed = ChatMessagesFromJson(*ParseChatJson(messages));
  if (!parsed.ok()) return parsed.status();
  std::vector<ChatJson> list;
  const ChatJson parsed_tools = *ParseChatJson(tools);
  for (const ChatJson& tool : parsed_tools) list.push_back(tool);
  return RenderChat(*parsed, list, {});
}

constexpr char kUser[] = R"({"role":"user","content":"Hi"})";

TEST(ChatTemplateTest, TheMessageAtFaultIsNamed) {
  const struct {
    std::string second;  // the message after the user's
    std::string said;
  } cases[] = {
      {R"("Hi")", "it is no object"},
      {R"({"content":"x"})", "`role` is missing"},
      {R"({"role":3})", "`role` is of type number, expected a string"},
      {R"({"role":"Critic"})", "the role is \"Critic\", expected system, developer, user"},
      {R"({"role":"system","content":"x"})", "must be the first"},
      {R"({"role":"user"})", "`content` is missing"},
      {R"({"role":"user","content":7})",
       "`content` is of type number, expected a string or a list"},
      {R"({"role":"user","content":[{"type":"image_url"}]})", "reads text only"},
      {R"({"role":"assistant"})", "`content` is missing"},
      {R"({"role":"assistant","content":7})",
       "`content` is of type number, expected a string or a list"},
      {R"({"role":"assistant","content":[{"type":"image_url"}]})", "reads text only"},
      {R"({"role":"assistant","reasoning":{}})", "`reasoning` is of type object"},
      {R"({"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]})",
       "tool call 0: `arguments` is of type string, expected an object (a JSON text"},
      {R"({"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]})",
       "tool call 0: `id` is missing"},
      {R"({"role":"user","content":"x","tool_calls":[{"id":"a","function":{"name":"f",)"
       R"("arguments":{}}}]})",
       "only an assistant's message has `tool_calls`"},
      {R"({"role":"tool","tool_call_id":"a"})", "`content` is missing"},
  };
  for (const auto& [second, said] : cases) {
    const auto prompt = Render(absl::StrCat("[", kUser, ",", second, "]"));
    EXPECT_EQ(prompt.status().code(), absl::StatusCode::kInvalidArgument) << second;
    EXPECT_THAT(std::string(prompt.status().message()),
                AllOf(StartsWith("message 1: "), HasSubstr(said)));
  }
}

TEST(ChatTemplateTest, AResultOfNoCallIsRefusedOnlyWhereItWouldBeShown) {
  const std::string result = R"({"role":"tool","tool_call_id":"b","content":"x"})";
  const std::string call =
      R"({"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]})";
  EXPECT_TRUE(Render(absl::StrCat("[", kUser, ",", result, "]")).ok());
  EXPECT_TRUE(Render(absl::StrCat("[", kUser, ",", call, ",", kUser, ",", result, "]")).ok());
  const auto prompt = Render(absl::StrCat("[", kUser, ",", call, ",", result, "]"));
  EXPECT_THAT(
      std::string(prompt.status().message()),
      HasSubstr("message 2: `tool_call_id` is \"b\", and no call of the assistant's message "
                "before has this id"));
}

TEST(ChatTemplateTest, TwoCallsOfOneMessageThatShareAnIdHaveNoResults) {
  const std::string call = R"({"id":"a","function":{"name":"f","arguments":{}}})";
  const std::string calls =
      absl::StrCat(R"({"role":"assistant","tool_calls":[)", call, ",", call, "]}");
  EXPECT_TRUE(Render(absl::StrCat("[", kUser, ",", calls, "]")).ok());
  const auto prompt = Render(absl::StrCat("[", kUser, ",", calls,
                                          R"(,{"role":"tool","tool_call_id":"a","content":"x"}])"));
  EXPECT_THAT(std::string(prompt.status().message()),
              HasSubstr("message 2: `tool_call_id` is \"a\", and more than one call has this id"));
}

TEST(ChatTemplateTest, TheToolAtFaultIsNamed) {
  const std::string good = R"({"function":{"name":"f"}})";
  const struct {
    std::string tool, said;
  } cases[] = {
      {"3", "`function` has no name"},
      {R"({"function":{"name":5}})", "`function` has no name"},
      {R"({"function":{"name":"f","parameters":[1]}})", "`parameters` is no object"},
      {R"({"function":{"name":"f","response":"x"}})", "`response` is no object"},
      {R"({"function":{"name":"f","parameters":{"properties":{"a":{"type":"object",)"
       R"("required":true}}}}})",
       "property \"a\": `required` is of type boolean, expected a list of names"},
  };
  for (const auto& [tool, said] : cases) {
    const auto prompt =
        Render(absl::StrCat("[", kUser, "]"), absl::StrCat("[", good, ",", tool, "]"));
    EXPECT_EQ(prompt.status().code(), absl::StatusCode::kInvalidArgument) << tool;
    EXPECT_THAT(std::string(prompt.status().message()),
                AllOf(StartsWith("tool 1: "), HasSubstr(said)));
  }
}

TEST(ChatTemplateTest, ValuesThatNestTooDeepAreRefused) {
  const auto render = [](int depth) {
    ChatJson value = ChatJson::object();
    for (int i = 1; i < depth; ++i) value = ChatJson{{"k", std::move(value)}};
    ChatMessage message;
    message.role = ChatRole::kAssistant;
    message.tool_calls.push_back({"a", "f", std::move(value)});
    return RenderChat(std::vector<ChatMessage>{message}, {}, {}).status();
  };
  EXPECT_TRUE(render(kChatDepthMax).ok());
  EXPECT_EQ(render(kChatDepthMax + 2).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ChatTemplateTest, SchemasThatNestTooDeepAreRefused) {
  ChatJson schema = {{"type", "string"}};
  for (int i = 0; i < 2 * kChatDepthMax; ++i)
    schema = {{"type", "array"}, {"items", std::move(schema)}};
  const std::vector<ChatJson> tools = {
      {{"function", {{"name", "f"}, {"parameters", {{"properties", {{"a", schema}}}}}}}}};
  ChatMessage message;
  message.content = "Hi";
  const auto status = RenderChat(std::vector<ChatMessage>{message}, tools, {}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("the schema nests deeper than"));
}

TEST(ChatTemplateTest, WhatPeopleWroteIsNotTrusted) {
  const auto prompt = Render(
      R"([{"role":"system","content":"*"},{"role":"user","content":"*"},)"
      R"({"role":"assistant","reasoning":"*","content":"*"},)"
      R"({"role":"assistant","tool_calls":[{"id":"*","function":{"name":"*","arguments":{"*":["*"]}}}]},)"
      R"({"role":"tool","tool_call_id":"*","content":{"*":"*"}},)"
      R"({"role":"tool","tool_call_id":"*","content":"*"}])",
      R"([{"function":{"name":"*","description":"*","parameters":{"required":["*"],)"
      R"("properties":{"*":{"type":"string","description":"*","enum":["*"]}}},)"
      R"("response":{"type":"*","description":"*"}}}])");
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  int num_stars = 0;
  for (const ChatSegment& segment : prompt->segments) {
    if (segment.trusted) {
      EXPECT_EQ(segment.text.find('*'), std::string::npos) << segment.text;
    } else if (segment.text == "*") {
      ++num_stars;
    }
  }
  // One for each above, save the ids, which are not shown; the tool's name stands with both
  // results.
  EXPECT_EQ(num_stars, 20);
}

TEST(ChatJsonTest, StrangersAreBounded) {
  EXPECT_TRUE(ParseChatJson(R"({"a":[1,2.5,null,"x\"{[:"]})").ok());
  EXPECT_TRUE(ParseChatJson(std::string(64, '[') + std::string(64, ']')).ok());
  std::string keys = "{\"k\":0";
  for (int i = 1; i < kChatKeysMax; ++i) absl::StrAppend(&keys, ",\"", i, "\":0");
  EXPECT_TRUE(ParseChatJson(keys + "}").ok());
  const std::string bad[] = {"",
                             "{",
                             "nul",
                             "{\"a\":1}x",
                             "\"\xff\"",
                             "[1e999]",
                             "[01]",
                             "{\"a\":1,}",
                             "[\"\n\"]",
                             std::string(1 << 20, '['),
                             std::string(65, '[') + std::string(65, ']'),
                             keys + ",\"x\":0}"};
  for (const std::string& text : bad) {
    EXPECT_EQ(ParseChatJson(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text.substr(0, 40);
  }
}

}  // namespace
}  // namespace coterie

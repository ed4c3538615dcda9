// Anthropic's API: what a request may say, and replies to the byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/openai/api_error.h"
#include "router/openai/json_text.h"
#include "router/openai/message_body.h"
#include "router/openai/message_writer.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<ChatBody> Read(const std::string& text) {
  const auto body = ParseBody(text);
  if (!body.ok()) return body.status();
  return ReadMessageBody(*body, ChatRequest());
}

absl::StatusOr<ChatBody> ReadFields(const std::string& fields) {
  return Read(absl::StrCat(R"({"max_tokens":5,"messages":[{"role":"user","content":"Hi"}])",
                           fields.empty() ? "" : ",", fields, "}"));
}

std::string Write(bool stream, const Script& script) {
  const auto writer = MakeMessageWriter({.stream = stream}, {.token = "t", .model = "m"});
  std::string out = writer->Begin({.prompt_tokens = 9, .cached_tokens = 4});
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) out += writer->Add(delta);
  }
  return out + writer->Finish({.prompt_tokens = 9, .cached_tokens = 4, .generated_tokens = 5});
}

TEST(MessageBodyTest, ReadsEveryOption) {
  const auto chat = ReadFields(
      R"("model":"claude","system":"Be brief.","temperature":0.5,"top_p":0.9,"top_k":3,)"
      R"("stop_sequences":["END"],"stream":true,"metadata":{"user_id":"u_session_1"},)"
      R"("thinking":{"type":"enabled","budget_tokens":2048},"tool_choice":{"type":"tool",)"
      R"("name":"f","disable_parallel_tool_use":true},"tools":[{"name":"f","description":"d",)"
      R"("input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}])");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const ChatRequest& request = chat->request;
  EXPECT_EQ(request.options.sampling.temperature, 0.5F);
  EXPECT_EQ(request.options.sampling.top_k, 3);
  EXPECT_EQ(request.options.max_tokens, 5);
  EXPECT_THAT(request.options.stop, ElementsAre("END"));
  EXPECT_EQ(request.options.session_id, "u_session_1");
  EXPECT_TRUE(request.enable_thinking);
  EXPECT_EQ(request.thinking_budget, 2048);
  EXPECT_EQ(request.tool_choice, ToolChoice::kNamed);
  EXPECT_EQ(request.tool_name, "f");
  EXPECT_FALSE(request.parallel_tool_calls);
  EXPECT_EQ(DumpJson(request.tools[0]),
            R"({"type":"function","function":{"name":"f","description":"d",)"
            R"("parameters":{"type":"object"}}})");
  ASSERT_EQ(request.messages.size(), 2U);
  EXPECT_EQ(request.messages[0].role, ChatRole::kSystem);
  EXPECT_TRUE(chat->form.stream);
}

TEST(MessageBodyTest, ThinkingIsOffAdaptiveOrBudgeted) {
  EXPECT_FALSE(ReadFields("")->request.enable_thinking);
  EXPECT_FALSE(ReadFields(R"("thinking":{"type":"disabled"})")->request.enable_thinking);
  auto chat = ReadFields(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"medium"})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_TRUE(chat->request.enable_thinking);
  EXPECT_EQ(chat->request.thinking_budget, 4096);
  chat = ReadFields(R"("output_config":{"effort":"high","format":{"type":"json_schema",)"
                    R"("schema":{"type":"object"}}})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_FALSE(chat->request.enable_thinking);
  EXPECT_EQ(chat->request.response_format.kind, ResponseFormat::Kind::kJsonSchema);
}

TEST(MessageBodyTest, ReadsAWholeRoundWithTools) {
  const auto chat = Read(
      R"({"system":[{"type":"text","text":"x-anthropic-billing-header: cch=8f3;"},)"
      R"({"type":"text","text":"A","cache_control":{"type":"ephemeral"}},)"
      R"({"type":"text","text":"B"}],"messages":[)"
      R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
      R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},)"
      R"({"type":"text","text":"I look."},{"type":"tool_use","id":"t1","name":"f","input":{"x":1}},)"
      R"({"type":"tool_use","id":"t2","name":"g","input":{}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"one"},)"
      R"({"type":"tool_result","tool_use_id":"t2","is_error":true,)"
      R"("content":[{"type":"text","text":"bad"}]},{"type":"text","text":"Go on."}]}]})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const std::vector<ChatMessage>& messages = chat->request.messages;
  ASSERT_EQ(messages.size(), 6U);
  EXPECT_EQ(messages[0].content, "A\n\nB");
  EXPECT_EQ(messages[1].content, "a\nb");
  EXPECT_EQ(messages[2].reasoning, "hm");
  EXPECT_EQ(messages[2].content, "I look.");
  ASSERT_EQ(messages[2].tool_calls.size(), 2U);
  EXPECT_EQ(messages[2].tool_calls[0].arguments, ChatJson({{"x", 1}}));
  EXPECT_EQ(messages[3].role, ChatRole::kTool);
  EXPECT_EQ(messages[3].content, "one");
  EXPECT_EQ(messages[4].tool_call_id, "t2");
  EXPECT_EQ(messages[4].content, ChatJson({{"error", "bad"}}));
  EXPECT_EQ(messages[5].content, "Go on.");
}

TEST(MessageBodyTest, NamesTheFieldAtFault) {
  struct Bad {
    std::string body, param, message;
  };
  const auto message = [](const std::string& json) {
    return absl::StrCat(R"({"messages":[)", json, "]}");
  };
  for (
      const Bad& bad : std::vector<Bad>{
          {"{}", "messages", "is missing"},
          {message(""), "messages", "is empty"},
          {message(R"({"role":"user","content":[]})"), "messages", "say nothing"},
          {message(R"({"role":"tool","content":"x"})"), "messages[0].role", "is \"tool\""},
          {message(R"({"role":"user"})"), "messages[0].content", "is missing"},
          {message(R"({"role":"user","content":7})"), "messages[0].content", "expected an array"},
          {message(R"({"role":"user","content":[{"type":"image","source":{}}]})"),
           "messages[0].content[0].type", "is \"image\""},
          {message(R"({"role":"user","content":[{"type":"tool_use","id":"1"}]})"),
           "messages[0].content[0].type", "does not belong in a message of a user"},
          {message(R"({"role":"assistant","content":[{"type":"tool_result"}]})"),
           "messages[0].content[0].type", "does not belong in a message of an assistant"},
          {message(
               R"({"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":"{}"}]})"),
           "messages[0].content[0].input", "expected an object"},
          {message(R"({"role":"user","content":"a"},{"role":"assistant","content":"The"})"),
           "messages", "ends with one of the assistant"},
          {R"({"max_tokens":0,"messages":[]})", "max_tokens", "at least 1"},
          {R"({"thinking":{"type":"on"},"messages":[]})", "thinking.type", "is \"on\""},
          {R"({"tools":[{"type":"web_search_20250305","name":"w"}],"messages":[]})",
           "tools[0].type", "runs no tools"},
          {R"({"tool_choice":{"type":"any"},"messages":[]})", "tool_choice", "no `tools`"},
          {R"({"system":[{"type":"image"}],"messages":[{"role":"user","content":"a"}]})",
           "system[0].type", "text only"},
      }) {
    const auto chat = Read(bad.body);
    ASSERT_FALSE(chat.ok()) << bad.body;
    EXPECT_EQ(FieldOf(chat.status()), bad.param) << bad.body;
    EXPECT_THAT(std::string(chat.status().message()), HasSubstr(bad.message));
  }
}

TEST(MessageWriterTest, AMessageIsToTheByte) {
  EXPECT_EQ(
      Write(false, ScriptOf({{Reasoning("hm")}, {Content("Hi")}, WholeCall(0, "f", "{\"a\":1}")},
                            FinishReason::kToolCalls)),
      R"({"id":"msg_t","type":"message","role":"assistant","model":"m","content":[)"
      R"({"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"Hi"},)"
      R"({"type":"tool_use","id":"toolu_tx0","name":"f","input":{"a":1}}],)"
      R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":5,)"
      R"("cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":5}})");
}

TEST(MessageWriterTest, AStreamHasOneBlockOpenAtATime) {
  std::string types;
  const Script script =
      ScriptOf({{Reasoning("h"), Reasoning("m")}, {Content("Hi")}, WholeCall(0, "f", "{}")},
               FinishReason::kToolCalls);
  for (const ChatJson& event : ReadEventJson(Write(true, script))) {
    absl::StrAppend(&types, event["type"].get<std::string>(), " ",
                    event.contains("index") ? DumpJson(event["index"]) : "", "\n");
  }
  EXPECT_EQ(types,
            "message_start \n"
            "content_block_start 0\ncontent_block_delta 0\ncontent_block_delta 0\n"
            "content_block_stop 0\n"
            "content_block_start 1\ncontent_block_delta 1\ncontent_block_stop 1\n"
            "content_block_start 2\ncontent_block_delta 2\ncontent_block_stop 2\n"
            "message_delta \nmessage_stop \n");
}

TEST(MessageWriterTest, StopReasonsAreThoseThatClientsKnow) {
  const auto reason = [](const AnswerDelta& last) {
    const auto json = ParseChatJson(Write(false, {{Delta({Content("x")}), last}}));
    return absl::StrCat(json->at("stop_reason").get<std::string>(), " ",
                        DumpJson(json->at("stop_sequence")));
  };
  EXPECT_EQ(reason(Last(FinishReason::kStop)), "end_turn null");
  EXPECT_EQ(reason(Last(FinishReason::kLength)), "max_tokens null");
  EXPECT_EQ(reason(Last(FinishReason::kRepetition)), "max_tokens null");
  EXPECT_EQ(reason(Last(FinishReason::kToolCalls)), "end_turn null");
  AnswerDelta stopped = Last(FinishReason::kStop);
  stopped.matched_stop = "END";
  EXPECT_EQ(reason(stopped), "stop_sequence \"END\"");
}

TEST(MessageWriterTest, ErrorsAreInAnthropicsForm) {
  const auto writer = MakeMessageWriter({.stream = true}, {.token = "t"});
  EXPECT_EQ(writer->Fail(ApiError::FromStatus(absl::UnavailableError("gone"))),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
            "\"message\":\"gone\"}}\n\n");
  EXPECT_EQ(writer->KeepAlive(), "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

}  // namespace
}  // namespace coterie

// OpenAI's responses: what a request may say, and the events of a reply.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/openai/api_error.h"
#include "router/openai/json_text.h"
#include "router/openai/response_body.h"
#include "router/openai/response_writer.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<ChatBody> Read(const std::string& text) {
  const auto body = ParseBody(text);
  if (!body.ok()) return body.status();
  return ReadResponseBody(*body, ChatRequest());
}

std::string Write(bool stream, const Script& script) {
  ReplyForm form = {.stream = stream};
  form.echo = ChatJson::object({{"store", false}});
  const auto writer = MakeResponseWriter(form, {.token = "t", .created = 7, .model = "m"});
  std::string out = writer->Begin(AnswerUsage());
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) out += writer->Add(delta);
  }
  return out + writer->Finish({.prompt_tokens = 9, .cached_tokens = 4, .generated_tokens = 5});
}

TEST(ResponseBodyTest, ReadsWhatCodexSends) {
  const auto chat = Read(
      R"({"model":"m","instructions":"Be brief.","input":[{"type":"message","role":"developer",)"
      R"("content":[{"type":"input_text","text":"Sandboxed."}]},{"type":"message","role":"user",)"
      R"("content":[{"type":"input_text","text":"Hi"}]}],"tools":[{"type":"function","name":"f",)"
      R"("description":"d","strict":false,"parameters":{"type":"object"}},{"type":"web_search"}],)"
      R"("tool_choice":"auto","parallel_tool_calls":false,"reasoning":{"effort":"low",)"
      R"("summary":"auto"},"store":false,"stream":true,"include":["reasoning.encrypted_content"],)"
      R"("prompt_cache_key":"thread","text":{"verbosity":"low"},"max_output_tokens":77})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const ChatRequest& request = chat->request;
  ASSERT_EQ(request.messages.size(), 2U);
  EXPECT_EQ(request.messages[0].content, "Be brief.\n\nSandboxed.");
  EXPECT_EQ(request.messages[1].content, "Hi");
  ASSERT_EQ(request.tools.size(), 1U);
  EXPECT_EQ(request.tools[0]["function"]["name"], "f");
  EXPECT_FALSE(request.parallel_tool_calls);
  EXPECT_TRUE(request.enable_thinking);
  EXPECT_EQ(request.thinking_budget, 1024);
  EXPECT_EQ(request.options.session_id, "thread");
  EXPECT_EQ(request.options.max_tokens, 77);
  EXPECT_TRUE(chat->form.stream);
  EXPECT_THAT(chat->form.unread, IsEmpty());
  EXPECT_EQ(chat->form.echo["instructions"], "Be brief.");
  EXPECT_EQ(chat->form.echo["tools"].size(), 2U);
}

TEST(ResponseBodyTest, ItemsOfTheAssistantBecomeOneMessage) {
  const auto chat = Read(
      R"({"input":[{"role":"user","content":"Weather?"},)"
      R"({"type":"reasoning","id":"rs","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},)"
      R"({"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]},)"
      R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{\"x\":1}"},)"
      R"({"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},)"
      R"({"type":"function_call_output","call_id":"c1","output":"one"},)"
      R"({"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},)"
      R"({"type":"reasoning","summary":[{"type":"summary_text","text":"so"}]},)"
      R"({"role":"assistant","content":"Done."},{"role":"user","content":"Thanks"}]})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const std::vector<ChatMessage>& messages = chat->request.messages;
  ASSERT_EQ(messages.size(), 6U);
  EXPECT_EQ(messages[1].reasoning, "hm");
  EXPECT_EQ(messages[1].content, "I look.");
  ASSERT_EQ(messages[1].tool_calls.size(), 2U);
  EXPECT_EQ(messages[2].content, "one");
  EXPECT_EQ(messages[3].tool_call_id, "c2");
  EXPECT_EQ(messages[4].reasoning, "so");
  EXPECT_EQ(messages[4].content, "Done.");
  EXPECT_EQ(messages[5].content, "Thanks");
}

TEST(ResponseBodyTest, NamesTheFieldAtFault) {
  struct Bad {
    std::string body, param, message;
  };
  for (const Bad& bad : std::vector<Bad>{
           {"{}", "input", "is missing"},
           {R"({"input":7})", "input", "expected a string or an array"},
           {R"({"input":[]})", "input", "is empty"},
           {R"({"input":["x"]})", "input[0]", "expected an object"},
           {R"({"input":[{"type":"item_reference","id":"x"}]})", "input[0].type",
            "is \"item_reference\""},
           {R"({"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]})",
            "input[0].content[0].type", "text only"},
           {R"({"input":[{"type":"function_call","call_id":"1","name":"f","arguments":"x"}]})",
            "input[0].arguments", "no JSON object"},
           {R"({"input":[{"type":"function_call_output","output":"x"}]})", "input[0].call_id",
            "is missing"},
           {R"({"input":"x","previous_response_id":"resp_1"})", "previous_response_id",
            "keeps no conversations"},
           {R"({"input":"x","conversation":"c"})", "conversation", "keeps no conversations"},
           {R"({"input":"x","background":true})", "background", "not supported"},
           {R"({"input":"x","reasoning":{"effort":"big"}})", "reasoning.effort", "is \"big\""},
           {R"({"input":"x","text":{"format":{"type":"json_schema","name":"n"}}})",
            "text.format.schema", "is missing"},
           {R"({"input":"x","tools":[{"type":"custom","name":"p"}]})", "tools[0].type",
            "expected \"function\""},
           {R"({"input":"x","tools":[{"type":"function"}]})", "tools[0].name", "is missing"},
           {R"({"input":"x","tools":[{"type":"web_search"}],"tool_choice":"required"})",
            "tool_choice", "no `tools`"},
       }) {
    const auto chat = Read(bad.body);
    ASSERT_FALSE(chat.ok()) << bad.body;
    EXPECT_EQ(FieldOf(chat.status()), bad.param) << bad.body;
    EXPECT_THAT(std::string(chat.status().message()), HasSubstr(bad.message));
  }
}

TEST(ResponseWriterTest, AResponseIsToTheByte) {
  EXPECT_EQ(
      Write(false, ScriptOf({{Content("Hi")}, WholeCall(0, "f", "{}")}, FinishReason::kStop)),
      R"({"id":"resp_t","object":"response","created_at":7,"status":"completed","error":null,)"
      R"("incomplete_details":null,"model":"m","output":[{"id":"msg_tx0","type":"message",)"
      R"("status":"completed","role":"assistant","content":[{"type":"output_text",)"
      R"("text":"Hi","annotations":[],"logprobs":[]}]},{"id":"fc_tx1","type":"function_call",)"
      R"("status":"completed","call_id":"call_tx0","name":"f","arguments":"{}"}],"store":false,)"
      R"("usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4,)"
      R"("cache_write_tokens":0},"output_tokens":5,"output_tokens_details":)"
      R"({"reasoning_tokens":0},"total_tokens":14}})");
}

TEST(ResponseWriterTest, EventsAreTypedAndNumbered) {
  std::string types;
  const auto events = ReadEventJson(
      Write(true, ScriptOf({{Reasoning("hm")}, {Content("Hi")}, WholeCall(0, "f", "{}")},
                           FinishReason::kToolCalls)));
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence_number"], i);
    absl::StrAppend(&types, events[i]["type"].get<std::string>().substr(9), "\n");
  }
  EXPECT_EQ(types,
            "created\nin_progress\n"
            "output_item.added\ncontent_part.added\nreasoning_text.delta\nreasoning_text.done\n"
            "content_part.done\noutput_item.done\n"
            "output_item.added\ncontent_part.added\noutput_text.delta\noutput_text.done\n"
            "content_part.done\noutput_item.done\n"
            "output_item.added\nfunction_call_arguments.delta\nfunction_call_arguments.done\n"
            "output_item.done\n"
            "completed\n");
  EXPECT_EQ(events.back()["response"]["output"].size(), 3U);
}

TEST(ResponseWriterTest, ALimitMakesItIncomplete) {
  const Script script = ScriptOf({{Content("Hi")}}, FinishReason::kLength);
  const auto whole = ParseChatJson(Write(false, script));
  EXPECT_EQ(whole->at("status"), "incomplete");
  EXPECT_EQ(whole->at("incomplete_details")["reason"], "max_output_tokens");
  EXPECT_EQ(whole->at("output")[0]["status"], "incomplete");
  EXPECT_EQ(ReadEventJson(Write(true, script)).back()["type"], "response.incomplete");
}

TEST(ResponseWriterTest, AFailureKeepsWhatThereWas) {
  const auto writer = MakeResponseWriter({.stream = true}, {.token = "t"});
  writer->Begin(AnswerUsage());
  writer->Add(Delta({Content("Hi")}));
  const auto events =
      ReadEventJson(writer->Fail(ApiError::FromStatus(absl::UnavailableError("gone"))));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["type"], "response.failed");
  EXPECT_EQ(events[0]["response"]["error"]["message"], "gone");
  EXPECT_EQ(events[0]["response"]["output"][0]["content"][0]["text"], "Hi");
}

}  // namespace
}  // namespace coterie

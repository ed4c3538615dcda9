// Replies of /v1/chat/completions, to the byte where that matters.
#include "router/openai/chat_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "router/openai/json_text.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

const ReplyStamp kStamp = {.token = "t", .created = 7, .model = "m", .fingerprint = "fp"};
const AnswerUsage kUsage = {
    .prompt_tokens = 9, .cached_tokens = 4, .generated_tokens = 5, .reasoning_tokens = 2};

std::string Write(const ReplyForm& form, const Script& script) {
  const auto writer = MakeChatWriter(form, kStamp);
  std::string out = writer->Begin(AnswerUsage());
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) out += writer->Add(delta);
  }
  return out + writer->Finish(kUsage);
}

ChatJson Whole(const Script& script) { return *ParseChatJson(Write({}, script)); }

ChatEvent Broken(std::string raw, int call) {
  return {.kind = ChatEvent::Kind::kCallBroken, .text = std::move(raw), .call = call};
}

TEST(ChatWriterTest, AnAnswerIsToTheByte) {
  EXPECT_EQ(Write({}, ScriptOf({{Content("Hi \"you\"\n")}}, FinishReason::kStop)),
            R"({"id":"chatcmpl-t","object":"chat.completion","created":7,"model":"m",)"
            R"("system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant",)"
            R"("content":"Hi \"you\"\n","refusal":null},"logprobs":null,"finish_reason":"stop"}],)"
            R"("usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,)"
            R"("prompt_tokens_details":{"cached_tokens":4},)"
            R"("completion_tokens_details":{"reasoning_tokens":2}}})");
}

TEST(ChatWriterTest, CallsAreToTheByte) {
  Script script =
      ScriptOf({{Reasoning("hm")}, WholeCall(0, "f", R"({"a":1})")}, FinishReason::kToolCalls);
  EXPECT_EQ(DumpJson(Whole(script)["choices"][0]),
            R"({"index":0,"message":{"role":"assistant","content":null,"refusal":null,)"
            R"("reasoning_content":"hm","tool_calls":[{"id":"call_t0x0","type":"function",)"
            R"("function":{"name":"f","arguments":"{\"a\":1}"}}]},"logprobs":null,)"
            R"("finish_reason":"tool_calls"})");
  const std::string frame =
      R"(data: {"id":"chatcmpl-t","object":"chat.completion.chunk","created":7,"model":"m",)"
      R"("system_fingerprint":"fp","choices":[{"index":0,"delta":)";
  const std::string more = ",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
  EXPECT_EQ(Write({.stream = true}, script),
            frame + R"({"role":"assistant","content":""})" + more +  //
                frame + R"({"reasoning_content":"hm"})" + more +     //
                frame + R"({"tool_calls":[{"index":0,"id":"call_t0x0","type":"function",)" +
                R"("function":{"name":"f","arguments":"{\"a\":1}"}}]})" + more +  //
                frame + R"({},"logprobs":null,"finish_reason":"tool_calls"}]})" + "\n\n" +
                "data: [DONE]\n\n");
}

TEST(ChatWriterTest, UsageComesLastAndIsNullBefore) {
  const auto events = ReadEventJson(Write({.stream = true, .include_usage = true},
                                          ScriptOf({{Content("Hi")}}, FinishReason::kStop)));
  ASSERT_EQ(events.size(), 4U);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(events[i].at("usage").is_null());
  EXPECT_EQ(events[3]["choices"], ChatJson::array());
  EXPECT_EQ(events[3]["usage"]["total_tokens"], 14);
}

TEST(ChatWriterTest, FinishReasonsAreThoseThatClientsKnow) {
  struct Case {
    FinishReason finish;
    bool has_call;
    std::string name;
    ChatJson stop_reason;
  };
  for (const Case& c : std::vector<Case>{
           {FinishReason::kStop, false, "stop", nullptr},
           {FinishReason::kStop, true, "tool_calls", nullptr},
           {FinishReason::kLength, false, "length", nullptr},
           {FinishReason::kLength, true, "length", nullptr},
           {FinishReason::kToolCalls, true, "tool_calls", nullptr},
           {FinishReason::kToolCalls, false, "stop", nullptr},
           {FinishReason::kRepetition, false, "length", "repetition"},
           {FinishReason::kToolLoop, true, "length", "tool_loop"},
       }) {
    const Script script = ScriptOf(
        {c.has_call ? WholeCall(0, "f", "{}") : std::vector<ChatEvent>{Content("x")}}, c.finish);
    const ChatJson whole = Whole(script)["choices"][0];
    const ChatJson chunk = ReadEventJson(Write({.stream = true}, script)).back()["choices"][0];
    for (const ChatJson& choice : {whole, chunk}) {
      EXPECT_EQ(choice["finish_reason"], c.name);
      EXPECT_EQ(choice.value("stop_reason", ChatJson()), c.stop_reason);
    }
  }
}

TEST(ChatWriterTest, WhatStoppedTheAnswerIsToldOf) {
  AnswerDelta last = Last(FinishReason::kStop);
  last.matched_stop = "END";
  EXPECT_EQ(Whole({{last}})["choices"][0]["stop_reason"], "END");
  last = Last(FinishReason::kStop);
  last.stop_token = 106;
  EXPECT_FALSE(Whole({{last}})["choices"][0].contains("stop_reason"));
  const ReplyForm form = {.stop_ids = {106}};
  EXPECT_EQ((*ParseChatJson(Write(form, {{last}})))["choices"][0]["stop_reason"], 106);
}

// A client that got half of a call might run it, or fail on it.
TEST(ChatWriterTest, ABrokenCallIsTextAndNeverACall) {
  const std::string raw = "<|tool_call>call:rm{path:<|\"|>/tm";
  const Script script =
      ScriptOf({{Content("I clean up. ")},
                {{.kind = ChatEvent::Kind::kCallBegin, .name = "rm", .call = 0}},
                {{.kind = ChatEvent::Kind::kArguments, .text = R"({"path":"/tm)", .call = 0}},
                {Broken(raw, 0)},
                WholeCall(1, "ls", "{}"),
                {Broken("<|tool_call>nonsense", -1)}},
               FinishReason::kLength);
  const ChatJson message = Whole(script)["choices"][0]["message"];
  EXPECT_EQ(message["content"], "I clean up. " + raw + "<|tool_call>nonsense");
  ASSERT_EQ(message["tool_calls"].size(), 1U);
  EXPECT_EQ(message["tool_calls"][0]["function"]["name"], "ls");
  EXPECT_EQ(message["tool_calls"][0]["id"], "call_t0x0");
  for (const ChatJson& event : ReadEventJson(Write({.stream = true}, script))) {
    const ChatJson& delta = event["choices"][0]["delta"];
    for (const ChatJson& call : delta.value("tool_calls", ChatJson::array())) {
      EXPECT_EQ(call["index"], 0);
    }
    EXPECT_EQ(DumpJson(delta).find("\"rm\""), std::string::npos);
  }
}

TEST(ChatWriterTest, ChoicesAreKeptApart) {
  const Script script = {{Delta({Content("a")}, 1), Delta({Content("b")}, 0)},
                         {Delta(WholeCall(0, "f", "{}"), 1), Last(FinishReason::kStop, 0)},
                         {Last(FinishReason::kStop, 1)}};
  const ChatJson choices = Whole(script)["choices"];
  ASSERT_EQ(choices.size(), 2U);
  EXPECT_EQ(choices[0]["message"]["content"], "b");
  EXPECT_EQ(choices[1]["message"]["content"], "a");
  EXPECT_EQ(choices[1]["message"]["tool_calls"][0]["id"], "call_t1x0");
  int num_roles = 0;
  for (const ChatJson& event : ReadEventJson(Write({.stream = true}, script))) {
    num_roles += event["choices"][0]["delta"].contains("role");
  }
  EXPECT_EQ(num_roles, 2);
}

TEST(ChatWriterTest, LogprobsAreFiniteAndInBytes) {
  AnswerDelta delta = Delta({Content("\xC3\xA9")});
  delta.tokens = {
      {.id = 1, .text = "\xC3", .logprob = -0.5F},
      {.id = 2, .text = "\xA9", .logprob = -INFINITY, .top = {{3, -3e38F}}, .top_text = {"x"}}};
  const Script script = {{delta}, {Last(FinishReason::kStop)}};
  const ReplyForm form = {.logprobs = true};
  const ChatJson logprobs = (*ParseChatJson(Write(form, script)))["choices"][0]["logprobs"];
  const std::string expected =
      R"({"content":[{"token":"�","logprob":-0.5,"bytes":[195],"top_logprobs":[]},)"
      R"({"token":"�","logprob":-9999.0,"bytes":[169],)"
      R"("top_logprobs":[{"token":"x","logprob":-9999.0,"bytes":[120]}]}],"refusal":null})";
  EXPECT_EQ(DumpJson(logprobs), expected);
  ChatJson streamed = ChatJson::array();
  for (const ChatJson& event : ReadEventJson(Write({.stream = true, .logprobs = true}, script))) {
    const ChatJson& some = event["choices"][0]["logprobs"];
    if (some.is_null()) continue;
    for (const ChatJson& token : some["content"]) streamed.push_back(token);
  }
  EXPECT_EQ(streamed, logprobs["content"]);
}

TEST(ChatWriterTest, AnErrorInAStreamIsAnEvent) {
  const auto writer = MakeChatWriter({.stream = true}, kStamp);
  writer->Add(Delta({Content("x")}));
  EXPECT_EQ(writer->Fail(ApiError::FromStatus(absl::UnavailableError("a worker is gone"))),
            "data: {\"error\":{\"message\":\"a worker is gone\",\"type\":\"server_error\","
            "\"param\":null,\"code\":\"unavailable\"}}\n\n");
  EXPECT_EQ(writer->KeepAlive()[0], ':');
}

}  // namespace
}  // namespace coterie

// What a chat request may say, and what is said about those that may not.
#include "router/openai/chat_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "router/openai/api_error.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::StatusOr<ChatBody> Read(const std::string& text) {
  const auto body = ParseBody(text);
  if (!body.ok()) return body.status();
  return ReadChatBody(*body, ChatRequest());
}

// A request with one message and these fields beside it.
absl::StatusOr<ChatBody> ReadFields(const std::string& fields) {
  return Read(absl::StrCat(R"({"messages":[{"role":"user","content":"Hi"}])",
                           fields.empty() ? "" : ",", fields, "}"));
}

absl::StatusOr<ChatBody> ReadMessages(const std::string& messages) {
  return Read(absl::StrCat(R"({"messages":[)", messages, "]}"));
}

constexpr char kTools[] =
    R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}},)"
    R"({"type":"function","function":{"name":"add","description":"adds","strict":true}}])";

TEST(ChatBodyTest, SaysWhatOpenAiSaysWhereTheRequestSaysNothing) {
  const auto chat = ReadFields("");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const CompletionOptions& options = chat->request.options;
  EXPECT_EQ(options.sampling.temperature, 1);
  EXPECT_EQ(options.sampling.top_p, 1);
  EXPECT_EQ(options.sampling.top_k, 0);
  EXPECT_EQ(options.max_tokens, 0);
  EXPECT_EQ(options.num_choices, 1);
  EXPECT_FALSE(options.has_seed);
  EXPECT_FALSE(options.logprobs);
  EXPECT_TRUE(options.rails);
  EXPECT_TRUE(chat->request.parallel_tool_calls);
  EXPECT_FALSE(chat->form.stream);
  EXPECT_EQ(options.tenant, "");
}

TEST(ChatBodyTest, NullIsAsGoodAsAbsent) {
  const auto chat = ReadFields(
      R"("temperature":null,"stop":null,"tools":null,"tool_choice":null,"n":null,"seed":null,)"
      R"("logit_bias":null,"response_format":null,"stream_options":null,"max_tokens":null,)"
      R"("functions":null,"audio":null,"reasoning_effort":null,"stream":null,"logprobs":null)");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->request.options.sampling.temperature, 1);
  EXPECT_FALSE(chat->request.options.has_seed);
}

TEST(ChatBodyTest, ReadsEveryOption) {
  const auto chat = ReadFields(
      R"("model":"m","temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"seed":-7,"n":2,)"
      R"("presence_penalty":1,"frequency_penalty":-2,"repetition_penalty":1.1,)"
      R"("logit_bias":{"5":-100,"7":1.5},"min_tokens":3,"ignore_eos":true,"stop_token_ids":[1,106],)"
      R"("stop":["a","","b"],"max_tokens":10,"max_completion_tokens":20.0,"logprobs":true,)"
      R"("top_logprobs":20,"stream":true,"stream_options":{"include_usage":true},"priority":-3,)"
      R"("session_id":"s","prompt_cache_key":"k","resume_hint":"later","rails":false,)"
      R"("parallel_tool_calls":false,"user":"u","metadata":{"a":"b"},"store":true)");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const CompletionOptions& options = chat->request.options;
  EXPECT_EQ(options.sampling.temperature, 0.5F);
  EXPECT_EQ(options.sampling.top_p, 0.9F);
  EXPECT_EQ(options.sampling.top_k, 40);
  EXPECT_EQ(options.sampling.min_p, 0.05F);
  EXPECT_TRUE(options.has_seed);
  EXPECT_EQ(options.sampling.seed, static_cast<uint64_t>(-7));
  EXPECT_EQ(options.num_choices, 2);
  EXPECT_EQ(options.rules.presence_penalty, 1);
  EXPECT_EQ(options.rules.frequency_penalty, -2);
  EXPECT_EQ(options.rules.repetition_penalty, 1.1F);
  EXPECT_THAT(options.rules.bias, ElementsAre(Pair(5, -100), Pair(7, 1.5)));
  EXPECT_EQ(options.rules.min_tokens, 3);
  EXPECT_TRUE(options.ignore_eos);
  EXPECT_THAT(options.stop_ids, ElementsAre(1, 106));
  EXPECT_THAT(options.stop, ElementsAre("a", "b"));
  EXPECT_EQ(options.max_tokens, 20);
  EXPECT_TRUE(options.logprobs);
  EXPECT_EQ(options.top_logprobs, 20);
  EXPECT_EQ(options.priority, -3);
  EXPECT_EQ(options.session_id, "s");
  EXPECT_EQ(options.resume_hint, ResumeHint::kLater);
  EXPECT_FALSE(options.rails);
  EXPECT_FALSE(chat->request.parallel_tool_calls);
  EXPECT_TRUE(chat->form.stream);
  EXPECT_TRUE(chat->form.include_usage);
  EXPECT_EQ(chat->form.model, "m");
  EXPECT_THAT(chat->form.unread, IsEmpty());
}

TEST(ChatBodyTest, FieldsThatNobodyKnowsAreToldOf) {
  const auto chat = ReadFields(R"("frobnicate":1,"cache_salt":"x","user":"u")");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_THAT(chat->form.unread, ElementsAre("frobnicate", "cache_salt"));
}

struct Bad {
  std::string fields, param, message;
};

TEST(ChatBodyTest, NamesTheFieldAtFault) {
  const std::string long_stop(1'000'000, 'x');
  const std::string many(30, '1');
  for (
      const Bad& bad : std::vector<Bad>{
          {R"("temperature":"hot")", "temperature", "is a string, expected a number"},
          {R"("temperature":-0.1)", "temperature", "from 0 to 10"},
          {R"("temperature":11)", "temperature", "is 11"},
          {R"("top_p":0)", "top_p", "above 0, up to 1"},
          {R"("top_p":1e-60)", "top_p", "above 0, up to 1"},
          {R"("min_p":2)", "min_p", "from 0 to 1"},
          {R"("top_k":-2)", "top_k", "at least -1"},
          {R"("n":0)", "n", "from 1 to 16"},
          {R"("n":-1)", "n", "is -1"},
          {R"("n":1.5)", "n", "is 1.5, expected an integer"},
          {R"("n":1e300)", "n", "expected an integer"},
          {R"("n":true)", "n", "is a boolean, expected an integer"},
          {R"("max_tokens":0)", "max_tokens", "at least 1"},
          {R"("max_completion_tokens":18446744073709551615)", "max_completion_tokens",
           "expected an integer"},
          {absl::StrCat(R"("max_tokens":)", many), "max_tokens", "expected an integer"},
          {R"("seed":"1")", "seed", "is a string"},
          {R"("presence_penalty":2.1)", "presence_penalty", "from -2 to 2"},
          {R"("frequency_penalty":[])", "frequency_penalty", "is an array"},
          {R"("repetition_penalty":0)", "repetition_penalty", "above 0"},
          {R"("logit_bias":[])", "logit_bias", "is an array, expected an object"},
          {R"("logit_bias":{"a":1})", "logit_bias", "has the key \"a\""},
          {R"("logit_bias":{"-1":1})", "logit_bias", "has the key"},
          {R"("logit_bias":{"1":101})", "logit_bias", "from -100 to 100"},
          {R"("logit_bias":{"1":null})", "logit_bias", "of token 1 is null"},
          {R"("stop":7)", "stop", "expected a string or an array"},
          {R"("stop":["a",7])", "stop[1]", "is an integer, expected a string"},
          {absl::StrCat(R"("stop":")", long_stop, "\""), "stop", "at most 256"},
          {R"("stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])",
           "stop", "at most 16"},
          {R"("stop_token_ids":[-1])", "stop_token_ids", "has -1"},
          {R"("stop_token_ids":[1.5])", "stop_token_ids", "has 1.5"},
          {R"("top_logprobs":3)", "top_logprobs", "needs `logprobs`"},
          {R"("logprobs":true,"top_logprobs":21)", "top_logprobs", "from 0 to 20"},
          {R"("logprobs":1)", "logprobs", "is an integer, expected a boolean"},
          {R"("stream":"yes")", "stream", "expected a boolean"},
          {R"("stream_options":{"include_usage":1})", "stream_options.include_usage", "boolean"},
          {R"("model":5)", "model", "expected a string"},
          {R"("reasoning_effort":"huge")", "reasoning_effort", "expected one of none"},
          {R"("thinking_budget":-1)", "thinking_budget", "at least 0"},
          {R"("chat_template_kwargs":{"enable_thinking":"yes"})",
           "chat_template_kwargs.enable_thinking", "expected a boolean"},
          {R"("resume_hint":"never")", "resume_hint", "expected one of"},
          {R"("priority":1000)", "priority", "from -100 to 100"},
          {R"("response_format":{"type":"yaml"})", "response_format.type", "is \"yaml\""},
          {R"("response_format":{})", "response_format.type", "is missing"},
          {R"("response_format":"json")", "response_format", "expected an object"},
          {R"("response_format":{"type":"json_schema"})", "response_format.json_schema",
           "is missing"},
          {R"("response_format":{"type":"json_schema","json_schema":{"name":"x","schema":1}})",
           "response_format.json_schema.schema", "expected an object"},
          {R"("functions":[{"name":"f"}])", "functions", "replaced by `tools`"},
          {R"("function_call":"auto")", "function_call", "replaced by `tool_choice`"},
          {R"("modalities":["text","audio"])", "modalities", "text only"},
          {R"("audio":{"voice":"x"})", "audio", "text only"},
          {R"("web_search_options":{"a":1})", "web_search_options", "not supported"},
          {R"("prediction":{"type":"content"})", "prediction", "not supported"},
          {R"("tools":{})", "tools", "expected an array"},
          {R"("tools":[{"type":"web_search"}])", "tools[0].type", "expected \"function\""},
          {R"("tools":[{"type":"function"}])", "tools[0].function", "is missing"},
          {R"("tools":[{"type":"function","function":{"name":"a b"}}])", "tools[0].function.name",
           "white space"},
          {R"("tools":[{"type":"function","function":{"name":"a","parameters":[]}}])",
           "tools[0].function.parameters", "expected an object"},
          {R"("tool_choice":"required")", "tool_choice", "there are no `tools`"},
          {R"("tool_choice":"maybe")", "tool_choice", "expected one of auto, none, required"},
          {R"("tool_choice":1)", "tool_choice", "expected a string or an object"},
          {absl::StrCat(kTools, R"(,"tool_choice":{"type":"function","function":{"name":"f"}})"),
           "tool_choice", "not among the `tools`"},
      }) {
    const auto chat = ReadFields(bad.fields);
    ASSERT_FALSE(chat.ok()) << bad.fields.substr(0, 100);
    EXPECT_EQ(chat.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(chat.status()), bad.param) << bad.fields.substr(0, 100);
    EXPECT_THAT(std::string(chat.status().message()), HasSubstr(bad.message));
    EXPECT_LT(chat.status().message().size(), 400U);
  }
}

TEST(ChatBodyTest, BodiesThatAreNoRequestAreRefused) {
  for (const std::string body : {"", "[]", "null", "{", "\"x\"", "{\"a\":1e999}", "{\"a\":NaN}",
                                 "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}"}) {
    const auto chat = Read(body);
    ASSERT_FALSE(chat.ok()) << body;
    EXPECT_THAT(std::string(chat.status().message()), HasSubstr("The body"));
  }
  EXPECT_EQ(FieldOf(Read("{}").status()), "messages");
  EXPECT_EQ(FieldOf(Read(R"({"messages":[]})").status()), "messages");
  EXPECT_EQ(FieldOf(Read(R"({"messages":"Hi"})").status()), "messages");
  std::string many = R"({"messages":[)";
  for (int i = 0; i < 100'001; ++i) many += i == 0 ? "1" : ",1";
  EXPECT_EQ(FieldOf(Read(many + "]}").status()), "messages");
  std::string biases = R"("logit_bias":{)";
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&biases, i == 0 ? "" : ",", "\"", i, "\":1");
  EXPECT_FALSE(ReadFields(biases + "}").ok());
}

TEST(ChatBodyTest, EffortsAreBudgets) {
  struct Case {
    std::string fields;
    bool thinks;
    int64_t budget;  // 0: none
  };
  for (const Case& c : std::vector<Case>{
           {"", false, 0},
           {R"("reasoning_effort":"none")", false, 0},
           {R"("reasoning_effort":"minimal")", false, 0},
           {R"("reasoning_effort":"low")", true, 1024},
           {R"("reasoning_effort":"medium")", true, 4096},
           {R"("reasoning_effort":"high")", true, 16384},
           {R"("reasoning_effort":"xhigh")", true, 0},
           {R"("thinking_budget":50)", true, 50},
           {R"("thinking_token_budget":0)", false, 0},
           {R"("chat_template_kwargs":{"enable_thinking":true})", true, 0},
           {R"("reasoning_effort":"high","thinking_budget":7)", true, 7},
           {R"("reasoning_effort":"high","chat_template_kwargs":{"enable_thinking":false})", false,
            16384},
       }) {
    const auto chat = ReadFields(c.fields);
    ASSERT_TRUE(chat.ok()) << chat.status();
    EXPECT_EQ(chat->request.enable_thinking, c.thinks) << c.fields;
    EXPECT_EQ(chat->request.thinking_budget.value_or(0), c.budget) << c.fields;
  }
}

TEST(ChatBodyTest, ReadsToolsAndTheirChoice) {
  auto chat = ReadFields(absl::StrCat(kTools, R"(,"tool_choice":"required")"));
  ASSERT_TRUE(chat.ok()) << chat.status();
  ASSERT_EQ(chat->request.tools.size(), 2U);
  EXPECT_EQ(DumpJson(chat->request.tools[1]),
            R"({"type":"function","function":{"name":"add","description":"adds","strict":true}})");
  EXPECT_EQ(chat->request.tool_choice, ToolChoice::kRequired);

  chat = ReadFields(
      absl::StrCat(kTools, R"(,"tool_choice":{"type":"function","function":{"name":"add"}})"));
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->request.tool_choice, ToolChoice::kNamed);
  EXPECT_EQ(chat->request.tool_name, "add");

  chat = ReadFields(absl::StrCat(kTools, R"(,"tool_choice":"none")"));
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->request.tool_choice, ToolChoice::kNone);

  chat = ReadFields(absl::StrCat(
      kTools, R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required",)",
      R"("tools":[{"type":"function","function":{"name":"add"}}]}})"));
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->request.tools.size(), 1U);
  EXPECT_EQ(chat->request.tool_choice, ToolChoice::kRequired);
}

TEST(ChatBodyTest, ReadsResponseFormats) {
  auto chat = ReadFields(R"("response_format":{"type":"json_object"})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->request.response_format.kind, ResponseFormat::Kind::kJsonObject);
  chat = ReadFields(
      R"("response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,)"
      R"("schema":{"type":"object"}}})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  EXPECT_EQ(chat->request.response_format.kind, ResponseFormat::Kind::kJsonSchema);
  EXPECT_EQ(DumpJson(chat->request.response_format.schema), R"({"type":"object"})");
}

TEST(ChatBodyTest, ReadsAWholeRoundWithTools) {
  const auto chat = ReadMessages(
      R"({"role":"developer","content":"Be brief."},)"
      R"({"role":"user","content":[{"type":"text","text":"Wea"},{"type":"text","text":"ther?"}]},)"
      R"({"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"c1",)"
      R"("type":"function","function":{"name":"get","arguments":"{\"city\":\"Oslo\"}"}},)"
      R"({"id":"c2","type":"function","function":{"name":"now","arguments":""}}]},)"
      R"({"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"12C"}]},)"
      R"({"role":"assistant","content":[{"type":"text","text":"It is "},{"type":"text","text":"12."}]})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const std::vector<ChatMessage>& messages = chat->request.messages;
  ASSERT_EQ(messages.size(), 5U);
  EXPECT_EQ(messages[0].role, ChatRole::kSystem);
  EXPECT_EQ(messages[1].content.size(), 2U);
  EXPECT_TRUE(messages[2].content.is_null());
  EXPECT_EQ(messages[2].reasoning, "hm");
  ASSERT_EQ(messages[2].tool_calls.size(), 2U);
  EXPECT_EQ(messages[2].tool_calls[0].arguments, ChatJson({{"city", "Oslo"}}));
  EXPECT_EQ(messages[2].tool_calls[1].arguments, ChatJson::object());
  EXPECT_EQ(messages[3].content, "12C");
  EXPECT_EQ(messages[3].tool_call_id, "c1");
  EXPECT_EQ(messages[4].content, "It is 12.");
}

TEST(ChatBodyTest, SystemMessagesBecomeOneOrAUsers) {
  const auto chat = ReadMessages(
      R"({"role":"system","content":"A"},{"role":"developer","content":[{"type":"text","text":"B"}]},)"
      R"({"role":"user","content":"Hi"},{"role":"system","content":"Mind the time."})");
  ASSERT_TRUE(chat.ok()) << chat.status();
  const std::vector<ChatMessage>& messages = chat->request.messages;
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].content, "A\n\nB ");
  EXPECT_EQ(messages[2].role, ChatRole::kUser);
  EXPECT_EQ(messages[2].content, "Mind the time.");
}

TEST(ChatBodyTest, NamesTheMessageAtFault) {
  const std::string user = R"({"role":"user","content":"Hi"},)";
  const auto call = [&](const std::string& function) {
    return absl::StrCat(user, R"({"role":"assistant","tool_calls":[{"id":"1","function":)",
                        function, "}]}");
  };
  for (const Bad& bad : std::vector<Bad>{
           {user + "7", "messages[1]", "is an integer, expected an object"},
           {user + "{}", "messages[1].role", "is missing"},
           {user + R"({"role":"robot","content":""})", "messages[1].role", "is \"robot\""},
           {user + R"({"role":"user"})", "messages[1].content", "is missing"},
           {user + R"({"role":"user","content":{}})", "messages[1].content", "is an object"},
           {user + R"({"role":"user","content":["x"]})", "messages[1].content[0]",
            "expected an object"},
           {user + R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]})",
            "messages[1].content[0].type", "served for text only"},
           {user + R"({"role":"user","content":[{"type":"text"}]})", "messages[1].content[0].text",
            "is missing"},
           {user + R"({"role":"tool","content":"x"})", "messages[1].tool_call_id", "is missing"},
           {call(R"({"name":"f","arguments":"{"})"), "messages[1].tool_calls[0].function.arguments",
            "is no JSON object"},
           {call(R"({"name":"f","arguments":"[1]"})"),
            "messages[1].tool_calls[0].function.arguments", "holds an array"},
           {call(R"({"name":"f","arguments":7})"), "messages[1].tool_calls[0].function.arguments",
            "is an integer"},
           {call(R"({"arguments":"{}"})"), "messages[1].tool_calls[0].function.name", "is missing"},
           {user + R"({"role":"assistant","tool_calls":{}})", "messages[1].tool_calls",
            "expected an array"},
       }) {
    const auto chat = ReadMessages(bad.fields);
    ASSERT_FALSE(chat.ok()) << bad.fields;
    EXPECT_EQ(FieldOf(chat.status()), bad.param) << bad.fields;
    EXPECT_THAT(std::string(chat.status().message()), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace coterie

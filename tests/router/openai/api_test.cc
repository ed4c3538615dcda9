// The endpoints, from a request to what the sink is sent, over a Completions that is made up.
#include "router/openai/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "router/openai/json_text.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kHi[] = R"({"messages":[{"role":"user","content":"Hi"}])";

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    completions_.scripts = {ScriptOf({{Content("Hel")}, {Content("lo")}}, FinishReason::kStop)};
    options_.completions = &completions_;
    options_.pages.models = {"gemma", "alias"};
    options_.pages.started = absl::FromUnixSeconds(5);
    options_.now = [this] { return now_; };
    options_.random = [this] { return ++random_; };
  }

  // Until it waits for something that only the test can give.
  void Handle(ApiRequest request) {
    sink_ = RecordingSink();
    const Api api(options_);
    exchange_ = api.Handle(request, &sink_);
    Run();
  }

  void Run() {
    while (exchange_ != nullptr && !exchange_->done() && sink_.num_wakes > 0) {
      sink_.num_wakes = 0;
      exchange_->Continue();
    }
  }

  void Post(const std::string& path, const std::string& body, HttpHeaders headers = {}) {
    headers.emplace_back("Content-Type", "application/json; charset=utf-8");
    Handle({"POST", path, std::move(headers), body});
  }

  // Chat with these fields beside the message.
  void Chat(const std::string& fields = "", HttpHeaders headers = {}) {
    Post(kChat, std::string(kHi) + fields + "}", std::move(headers));
  }

  ChatJson Error() {
    const auto json = ParseChatJson(sink_.reply.body);
    return json.ok() ? json->at("error") : ChatJson();
  }

  FakeCompletions completions_;
  Api::Options options_;
  absl::Time now_ = absl::FromUnixSeconds(100);
  uint64_t random_ = 0;
  RecordingSink sink_;
  std::unique_ptr<Exchange> exchange_;
};

TEST_F(ApiTest, AnswersAChat) {
  Chat();
  EXPECT_EQ(sink_.reply.status, 200);
  const auto json = ParseChatJson(sink_.reply.body);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->at("choices")[0]["message"]["content"], "Hello");
  EXPECT_EQ(json->at("model"), "gemma");
  EXPECT_EQ(json->at("created"), 100);
  EXPECT_EQ(json->at("usage")["prompt_tokens"], 9);
}

TEST_F(ApiTest, StreamsAChat) {
  Chat(R"(,"stream":true)");
  EXPECT_TRUE(sink_.streams);
  EXPECT_TRUE(sink_.ended);
  std::string content;
  for (const ChatJson& event : ReadEventJson(sink_.reply.body)) {
    content += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(content, "Hello");
  EXPECT_TRUE(absl::EndsWith(sink_.reply.body, "data: [DONE]\n\n"));
}

TEST_F(ApiTest, EveryEndpointIsThere) {
  Post("/v1/messages", kHi + std::string("}"));
  EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("content")[0]["text"], "Hello");
  Post("/v1/responses", R"({"input":"Hi"})");
  EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("output")[0]["content"][0]["text"], "Hello");
  Post("/v1/completions", R"({"prompt":"Hi"})");
  EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("choices")[0]["text"], "Hello");
  EXPECT_EQ(completions_.texts[0].text, "Hi");
  EXPECT_EQ(completions_.chats.size(), 2U);
}

TEST_F(ApiTest, TheNameOfAModelIsTheOneAskedForIfItIsOurs) {
  Chat(R"(,"model":"alias")");
  EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("model"), "alias");
  Chat(R"(,"model":"gpt-5")");
  EXPECT_EQ(sink_.reply.status, 200);
  EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("model"), "gemma");
}

TEST_F(ApiTest, ListsModels) {
  Handle({"GET", "/v1/models?limit=5", {}, ""});
  const auto list = ParseChatJson(sink_.reply.body);
  EXPECT_EQ(list->at("object"), "list");
  EXPECT_EQ(list->at("data").size(), 2U);
  EXPECT_EQ(list->at("data")[0]["id"], "gemma");
  EXPECT_EQ(list->at("data")[0]["created"], 5);
  Handle({"GET", "/v1/models/alias", {}, ""});
  EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("id"), "alias");
  options_.pages.models.push_back("google/gemma 4");
  for (const char* path : {"/v1/models/google/gemma%204", "/v1/models/google%2Fgemma%204"}) {
    Handle({"GET", path, {}, ""});
    EXPECT_EQ(ParseChatJson(sink_.reply.body)->at("id"), "google/gemma 4") << path;
  }
  Handle({"GET", "/v1/models/alias%", {}, ""});
  EXPECT_EQ(sink_.reply.status, 404);
  Handle({"GET", "/v1/models/other/name", {}, ""});
  EXPECT_EQ(sink_.reply.status, 404);
  EXPECT_EQ(Error()["code"], "model_not_found");
}

TEST_F(ApiTest, ProbesNeedNoKey) {
  options_.tenant_of = [](absl::string_view) -> absl::StatusOr<std::string> {
    return absl::UnauthenticatedError("no");
  };
  for (const char* path : {"/", "/health", "/healthz", "/livez", "/ready", "/readyz"}) {
    Handle({"GET", path, {}, ""});
    EXPECT_EQ(sink_.reply.status, 200) << path;
  }
  Handle({"HEAD", "/health", {}, ""});
  EXPECT_EQ(sink_.reply.status, 200);
  options_.pages.ready = [] { return absl::UnavailableError("draining"); };
  Handle({"GET", "/readyz", {}, ""});
  EXPECT_EQ(sink_.reply.status, 503);
  Handle({"GET", "/health", {}, ""});
  EXPECT_EQ(sink_.reply.status, 200);
}

TEST_F(ApiTest, MetricsAreText) {
  Handle({"GET", "/metrics", {}, ""});
  EXPECT_EQ(sink_.reply.status, 404);
  options_.pages.metrics = [] { return std::string("up 1\n"); };
  Handle({"GET", "/metrics", {}, ""});
  EXPECT_EQ(sink_.reply.body, "up 1\n");
  EXPECT_THAT(sink_.reply.content_type, HasSubstr("text/plain"));
}

TEST_F(ApiTest, TheTenantComesFromTheKeyAlone) {
  options_.tenant_of = [](absl::string_view key) -> absl::StatusOr<std::string> {
    if (key == "secret") return std::string("team");
    return absl::UnauthenticatedError("This key is not known here.");
  };
  Chat(R"(,"user":"boss","tenant":"boss")", {{"authorization", "bearer  secret"}});
  EXPECT_EQ(completions_.chats.back().options.tenant, "team");
  Post("/v1/messages", kHi + std::string("}"), {{"X-Api-Key", "secret"}});
  EXPECT_EQ(completions_.chats.back().options.tenant, "team");
  const size_t num_chats = completions_.chats.size();
  Chat();
  EXPECT_EQ(sink_.reply.status, 401);
  EXPECT_EQ(Error()["code"], "invalid_api_key");
  EXPECT_EQ(sink_.Header("WWW-Authenticate"), "Bearer");
  Handle({"GET", "/v1/models", {}, ""});
  EXPECT_EQ(sink_.reply.status, 401);
  EXPECT_EQ(completions_.chats.size(), num_chats);
}

TEST_F(ApiTest, HeadersNameTheRequestAndTheSession) {
  Chat(R"(,"session_id":"body")", {{"X-Request-Id", "abc"}, {"x-session-id", "s"}});
  EXPECT_EQ(completions_.chats.back().options.request_id, "abc");
  EXPECT_EQ(completions_.chats.back().options.session_id, "s");
  EXPECT_EQ(sink_.Header("x-request-id"), "abc");
  Chat("", {{"X-Request-Id", "a\r\nSet-Cookie: x"}});
  EXPECT_THAT(sink_.Header("x-request-id"), HasSubstr("req_"));
  EXPECT_EQ(completions_.chats.back().options.session_id, "");
}

TEST_F(ApiTest, WhatIsNotThereIsToldOfInTheClientsForm) {
  Handle({"GET", "/v2/chat", {}, ""});
  EXPECT_EQ(sink_.reply.status, 404);
  EXPECT_EQ(Error()["code"], "unknown_url");
  Handle({"GET", kChat, {}, ""});
  EXPECT_EQ(sink_.reply.status, 405);
  EXPECT_EQ(sink_.Header("Allow"), "POST");
  Handle({"POST", kChat, {{"Content-Type", "text/plain"}}, kHi + std::string("}")});
  EXPECT_EQ(sink_.reply.status, 415);
  Handle({"POST", kChat, {}, kHi + std::string("}")});
  EXPECT_EQ(sink_.reply.status, 200);
  Chat("", {{"Content-Encoding", "gzip"}});
  EXPECT_EQ(sink_.reply.status, 415);
  EXPECT_THAT(sink_.reply.body, HasSubstr("Content-Encoding"));
  Chat("", {{"Content-Encoding", "Identity"}});
  EXPECT_EQ(sink_.reply.status, 200);
  Post(kChat, "{");
  EXPECT_EQ(sink_.reply.status, 400);
  EXPECT_EQ(Error()["type"], "invalid_request_error");
  EXPECT_TRUE(Error()["param"].is_null());
  Chat(R"(,"n":99)");
  EXPECT_EQ(Error()["param"], "n");
  Post("/v1/messages", "{}");
  EXPECT_EQ(sink_.reply.body, R"({"type":"error","error":{"type":"invalid_request_error",)"
                              R"("message":"`messages` is missing"}})");
}

TEST_F(ApiTest, RefusalsHaveTheirStatus) {
  struct Case {
    absl::Status status;
    int http_status;
    std::string type, retry_after;
  };
  for (const Case& c : std::vector<Case>{
           {absl::InvalidArgumentError("x"), 400, "invalid_request_error", ""},
           {absl::ResourceExhaustedError("x"), 429, "rate_limit_error", "1"},
           {absl::UnavailableError("x"), 503, "server_error", "1"},
           {absl::DeadlineExceededError("x"), 504, "server_error", ""},
           {absl::CancelledError("x"), 499, "server_error", ""},
           {absl::FailedPreconditionError("x"), 500, "server_error", ""},
           {absl::InternalError("x"), 500, "server_error", ""},
       }) {
    FakeCompletions refusing;
    refusing.refusal = c.status;
    options_.completions = &refusing;
    Chat();
    EXPECT_EQ(sink_.reply.status, c.http_status) << c.status;
    EXPECT_EQ(Error()["type"], c.type);
    EXPECT_EQ(sink_.Header("Retry-After"), c.retry_after);
    // The same when it comes before the first token of a stream.
    FakeCompletions failing;
    failing.scripts = {{{Failed(c.status)}}};
    options_.completions = &failing;
    Chat(R"(,"stream":true)");
    EXPECT_FALSE(sink_.streams);
    EXPECT_EQ(sink_.reply.status, c.http_status);
  }
}

TEST_F(ApiTest, AFailureInAStreamEndsIt) {
  completions_.scripts = {
      {{Delta({Content("Hel")})}, {Failed(absl::UnavailableError("a worker is gone"))}}};
  Chat(R"(,"stream":true)");
  EXPECT_TRUE(sink_.ended);
  EXPECT_EQ(ReadEventJson(sink_.reply.body).back()["error"]["message"], "a worker is gone");
  EXPECT_GT(completions_.num_cancelled, 0);
  // A whole reply says nothing of what there was.
  completions_.scripts = {
      {{Delta({Content("Hel")})}, {Failed(absl::UnavailableError("a worker is gone"))}}};
  Chat();
  EXPECT_EQ(sink_.reply.status, 503);
}

TEST_F(ApiTest, AClientWhoHasGoneCancels) {
  const Api api(options_);
  ApiRequest request = {"POST", kChat, {}, kHi + std::string(R"(,"stream":true})")};
  exchange_ = api.Handle(request, &sink_);
  ASSERT_NE(exchange_, nullptr);
  exchange_.reset();
  EXPECT_EQ(completions_.num_cancelled, 1);
}

TEST_F(ApiTest, ASlowClientIsWaitedFor) {
  const Api api(options_);
  ApiRequest request = {"POST", kChat, {}, kHi + std::string(R"(,"stream":true})")};
  exchange_ = api.Handle(request, &sink_);
  const std::string before = sink_.reply.body;
  sink_.is_full = true;
  exchange_->Continue();
  EXPECT_EQ(sink_.reply.body, before);
  sink_.is_full = false;
  exchange_->Continue();
  EXPECT_NE(sink_.reply.body, before);
}

TEST_F(ApiTest, AQuietStreamIsKeptAlive) {
  completions_.scripts = {{{}, {Delta({Content("x")})}, {Last(FinishReason::kStop)}}};
  const Api api(options_);
  ApiRequest request = {"POST", kChat, {}, kHi + std::string(R"(,"stream":true})")};
  exchange_ = api.Handle(request, &sink_);
  ASSERT_NE(exchange_, nullptr);
  exchange_->KeepAlive();
  EXPECT_FALSE(sink_.streams);
  now_ += Exchange::kQuietMax;
  exchange_->KeepAlive();
  EXPECT_EQ(sink_.reply.body, ": still here\n\n");
  exchange_->KeepAlive();
  EXPECT_EQ(sink_.reply.body, ": still here\n\n");
  Run();
  EXPECT_TRUE(sink_.ended);
  EXPECT_EQ(ReadEventJson(sink_.reply.body).size(), 3U);
}

TEST_F(ApiTest, ALongCallKeepsItsStreamAlive) {
  std::vector<ChatEvent> call = WholeCall(0, "write", R"({"text":")");
  call.insert(call.begin() + 2, 9, {.kind = ChatEvent::Kind::kArguments, .text = "x", .call = 0});
  call.insert(call.begin() + 11, {.kind = ChatEvent::Kind::kArguments, .text = R"("})", .call = 0});
  std::vector<std::vector<ChatEvent>> deltas;
  deltas.reserve(call.size());
  for (const ChatEvent& event : call) deltas.push_back({event});
  completions_.scripts = {ScriptOf(deltas, FinishReason::kToolCalls)};
  options_.now = [this] { return now_ += absl::Seconds(6); };
  Chat(R"(,"stream":true)");
  EXPECT_THAT(sink_.reply.body, HasSubstr(": still here"));
}

TEST_F(ApiTest, SeveralPromptsAreOneReply) {
  completions_.scripts = {ScriptOf({{Content("a")}}, FinishReason::kStop),
                          ScriptOf({{Content("b")}}, FinishReason::kLength)};
  Post("/v1/completions", R"({"prompt":["x","y"]})");
  const auto json = ParseChatJson(sink_.reply.body);
  ASSERT_EQ(json->at("choices").size(), 2U);
  EXPECT_EQ(json->at("choices")[1]["text"], "b");
  EXPECT_EQ(json->at("choices")[1]["index"], 1);
  EXPECT_EQ(json->at("usage")["prompt_tokens"], 18);
  // One that is refused takes the others with it.
  completions_.refusal = absl::ResourceExhaustedError("full");
  completions_.refuse_at = 3;
  Post("/v1/completions", R"({"prompt":["x","y","z"]})");
  EXPECT_EQ(sink_.reply.status, 429);
}

TEST_F(ApiTest, TokensAreCounted) {
  Post("/v1/messages/count_tokens", kHi + std::string("}"));
  EXPECT_EQ(sink_.reply.status, 404);
  options_.count_tokens = [](const ChatRequest& request) {
    return static_cast<int64_t>(request.messages.size());
  };
  Post("/v1/messages/count_tokens", kHi + std::string("}"));
  EXPECT_EQ(sink_.reply.body, R"({"input_tokens":1})");
}

TEST_F(ApiTest, OtherOriginsAreForAFlagToAllow) {
  Handle({"OPTIONS", kChat, {}, ""});
  EXPECT_EQ(sink_.reply.status, 405);
  EXPECT_EQ(sink_.Header("Access-Control-Allow-Origin"), "");
  // A page can post bytes without a type, and its browser asks nobody before.
  Handle({"POST", kChat, {{"Origin", "http://page"}}, kHi + std::string("}")});
  EXPECT_EQ(sink_.reply.status, 415);
  EXPECT_TRUE(completions_.chats.empty());
  options_.allow_all_origins = true;
  Handle({"OPTIONS", kChat, {}, ""});
  EXPECT_EQ(sink_.reply.status, 204);
  EXPECT_EQ(sink_.Header("Access-Control-Allow-Origin"), "*");
  Chat();
  EXPECT_EQ(sink_.Header("Access-Control-Allow-Origin"), "*");
}

TEST_F(ApiTest, IdsDiffer) {
  Chat();
  const std::string first = ParseChatJson(sink_.reply.body)->at("id");
  Chat();
  EXPECT_NE(ParseChatJson(sink_.reply.body)->at("id"), first);
}

}  // namespace
}  // namespace coterie

#include "router/openai/api.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/log.h"
#include "router/openai/chat_writer.h"
#include "router/openai/json_text.h"
#include "router/openai/message_body.h"
#include "router/openai/message_writer.h"
#include "router/openai/request_headers.h"
#include "router/openai/response_body.h"
#include "router/openai/response_writer.h"
#include "router/openai/text_body.h"
#include "router/openai/text_writer.h"

namespace coterie {
namespace {

// 20 letters and digits: 103 bits of 128.
std::string MakeToken(const std::function<uint64_t()>& random) {
  constexpr char kLetters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string token;
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = random();
    for (int i = 0; i < 10; ++i, bits /= 36) token.push_back(kLetters[bits % 36]);
  }
  return token;
}

std::unique_ptr<ReplyWriter> MakeWriter(Endpoint endpoint, ReplyForm form, ReplyStamp stamp) {
  switch (endpoint) {
    case Endpoint::kMessages:
      return MakeMessageWriter(std::move(form), std::move(stamp));
    case Endpoint::kResponses:
      return MakeResponseWriter(std::move(form), std::move(stamp));
    default:
      return MakeChatWriter(std::move(form), std::move(stamp));
  }
}

void LogUnread(const ReplyForm& form, const std::string& request_id) {
  if (form.unread.empty()) return;
  LogDebug("fields passed over",
           {{"request", request_id}, {"fields", absl::StrJoin(form.unread, ",")}});
}

}  // namespace

Api::Api(Options options) : options_(std::move(options)) {
  CHECK(options_.completions != nullptr);
  CHECK(!options_.pages.models.empty());
  CHECK(options_.random != nullptr && options_.now != nullptr);
}

std::unique_ptr<Exchange> Api::Handle(const ApiRequest& request, ReplySink* sink) const {
  Call call = MakeCall(request);
  const auto fail = [&](ApiError error) -> std::unique_ptr<Exchange> {
    SendError(call, std::move(error), sink);
    return nullptr;
  };
  if (request.method == "OPTIONS" && options_.allow_all_origins) {
    sink->Send({.status = 204, .content_type = "", .headers = call.headers});
    return nullptr;
  }
  if (call.route.endpoint == Endpoint::kNone)
    return fail(ApiError::OfRequest(404, "There is no such page here.", "unknown_url"));
  if (!call.route.method_fits) {
    const std::string allow =
        absl::StrCat(call.route.allow, options_.allow_all_origins ? ", OPTIONS" : "");
    call.headers.emplace_back("Allow", allow);
    return fail(ApiError::OfRequest(405, absl::StrCat("This page takes ", allow, "."),
                                    "method_not_allowed"));
  }
  const absl::Status authenticated = Authenticate(request, &call);
  if (!authenticated.ok()) return fail(ApiError::FromStatus(authenticated));
  if (request.method != "POST") {
    SendPage(call, sink);
    return nullptr;
  }
  if (!IsJson(request)) {
    return fail(ApiError::OfRequest(415, "The Content-Type must be application/json.",
                                    "unsupported_media_type"));
  }
  if (!IsPlain(request)) {
    return fail(ApiError::OfRequest(415, "The Content-Encoding must be identity: send it as it is.",
                                    "unsupported_media_type"));
  }
  const auto body = ParseBody(request.body);
  if (!body.ok()) return fail(ApiError::FromStatus(body.status()));
  if (call.route.endpoint == Endpoint::kCountTokens) {
    auto reply = CountTokens(call, *body);
    if (!reply.ok()) return fail(ApiError::FromStatus(reply.status()));
    sink->Send(*std::move(reply));
    return nullptr;
  }
  Exchange::Options started;
  const absl::Status status = call.route.endpoint == Endpoint::kText
                                  ? StartText(call, *body, &started)
                                  : StartChat(call, *body, &started);
  if (!status.ok()) return fail(ApiError::FromStatus(status));
  started.headers = call.headers;
  started.error_json = [call](const ApiError& error) { return ErrorJson(call, error); };
  started.now = options_.now;
  auto exchange = std::make_unique<Exchange>(std::move(started), sink);
  if (exchange->done()) return nullptr;
  return exchange;
}

Api::Call Api::MakeCall(const ApiRequest& request) const {
  Call call;
  call.route = FindRoute(request.method, request.PathWithoutQuery());
  call.token = MakeToken(options_.random);
  call.request_id = HarmlessHeader(request, "x-request-id");
  if (call.request_id.empty()) call.request_id = absl::StrCat("req_", call.token);
  // Codex says `session_id`.
  for (const char* name : {"x-session-id", "session_id"}) {
    if (call.session_id.empty()) call.session_id = HarmlessHeader(request, name);
  }
  call.headers.emplace_back("x-request-id", call.request_id);
  if (IsAnthropic(call.route.endpoint)) call.headers.emplace_back("request-id", call.request_id);
  if (options_.allow_all_origins) {
    call.headers.emplace_back("Access-Control-Allow-Origin", "*");
    call.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    call.headers.emplace_back("Access-Control-Allow-Headers", "*, Authorization");
    call.headers.emplace_back("Access-Control-Expose-Headers", "*");
  }
  return call;
}

absl::Status Api::Authenticate(const ApiRequest& request, Call* call) const {
  if (!options_.tenant_of || !NeedsKey(call->route.endpoint)) return absl::OkStatus();
  ASSIGN_OR_RETURN(call->tenant, options_.tenant_of(KeyOf(request)));
  return absl::OkStatus();
}

std::string Api::ErrorJson(const Call& call, const ApiError& error) {
  return IsAnthropic(call.route.endpoint) ? error.AnthropicJson() : error.OpenAiJson();
}

void Api::SendError(const Call& call, ApiError error, ReplySink* sink) const {
  WholeReply reply = {.status = error.http_status, .headers = call.headers};
  if (error.retry_after_seconds > 0) {
    reply.headers.emplace_back("Retry-After", std::to_string(error.retry_after_seconds));
  }
  if (error.http_status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  reply.body = ErrorJson(call, error);
  sink->Send(std::move(reply));
}

void Api::SendPage(const Call& call, ReplySink* sink) const {
  auto page = MakePage(call.route, options_.pages);
  if (auto* error = std::get_if<ApiError>(&page)) return SendError(call, std::move(*error), sink);
  WholeReply& reply = std::get<WholeReply>(page);
  reply.headers = call.headers;
  sink->Send(std::move(reply));
}

absl::StatusOr<ChatBody> Api::ReadBody(Endpoint endpoint, const ChatJson& body) const {
  ChatRequest defaults;
  defaults.enable_thinking = options_.default_thinking;
  switch (endpoint) {
    case Endpoint::kMessages:
    case Endpoint::kCountTokens:
      return ReadMessageBody(body, defaults);
    case Endpoint::kResponses:
      return ReadResponseBody(body, defaults);
    default:
      return ReadChatBody(body, defaults);
  }
}

ReplyStamp Api::Stamp(const Call& call, const ReplyForm& form) const {
  const std::vector<std::string>& models = options_.pages.models;
  const bool is_known = std::find(models.begin(), models.end(), form.model) != models.end();
  return {.token = call.token,
          .created = absl::ToUnixSeconds(options_.now()),
          .model = is_known ? form.model : models.front(),
          .fingerprint = options_.fingerprint};
}

void Api::SetCaller(const Call& call, CompletionOptions* options) const {
  options->request_id = call.request_id;
  options->tenant = call.tenant;
  options->deadline = options_.now() + options_.request_timeout;
  if (!call.session_id.empty()) options->session_id = call.session_id;
}

absl::Status Api::StartChat(const Call& call, const ChatJson& body,
                            Exchange::Options* started) const {
  ASSIGN_OR_RETURN(ChatBody chat, ReadBody(call.route.endpoint, body));
  LogUnread(chat.form, call.request_id);
  SetCaller(call, &chat.request.options);
  auto answer = options_.completions->Start(std::move(chat.request));
  if (!answer.ok()) {
    // The other endpoints spell these fields in other ways.
    return call.route.endpoint == Endpoint::kChat ? BlameFirstWord(answer.status())
                                                  : answer.status();
  }
  started->answers.push_back(*std::move(answer));
  started->stream = chat.form.stream;
  ReplyStamp stamp = Stamp(call, chat.form);
  started->writer = MakeWriter(call.route.endpoint, std::move(chat.form), std::move(stamp));
  return absl::OkStatus();
}

absl::Status Api::StartText(const Call& call, const ChatJson& body,
                            Exchange::Options* started) const {
  ASSIGN_OR_RETURN(TextBody text, ReadTextBody(body));
  LogUnread(text.form, call.request_id);
  for (TextRequest& request : text.requests) {
    SetCaller(call, &request.options);
    started->choices_per_answer = request.options.num_choices;
    // Those that have begun are cancelled with `started` when one is refused.
    auto answer = options_.completions->Start(std::move(request));
    if (!answer.ok()) return BlameFirstWord(answer.status());
    started->answers.push_back(*std::move(answer));
  }
  started->stream = text.form.stream;
  ReplyStamp stamp = Stamp(call, text.form);
  started->writer = MakeTextWriter(std::move(text.form), std::move(stamp));
  return absl::OkStatus();
}

absl::StatusOr<WholeReply> Api::CountTokens(const Call& call, const ChatJson& body) const {
  if (!options_.count_tokens) return absl::NotFoundError("Tokens are not counted here.");
  ASSIGN_OR_RETURN(const ChatBody chat, ReadBody(call.route.endpoint, body));
  ASSIGN_OR_RETURN(const int64_t num_tokens, options_.count_tokens(chat.request));
  WholeReply reply = {.headers = call.headers};
  reply.body = DumpJson(ChatJson::object({{"input_tokens", num_tokens}}));
  return reply;
}

}  // namespace coterie

#include "router/openai/api_error.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "model/chat_json.h"
#include "router/engine/retry_after.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

constexpr absl::string_view kParamPayload = "coterie/param";

// How long a queue takes to move on is not known here; a second keeps clients from hammering.
// Whole seconds, at least one: HTTP has no finer ones.
int RetryAfterSeconds(const absl::Status& status) {
  const absl::Duration wait = RetryAfter(status).value_or(absl::Seconds(1));
  return static_cast<int>(
      std::clamp<int64_t>(absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1))), 1, 3600));
}

ChatJson OrNull(const std::string& text) { return text.empty() ? ChatJson() : ChatJson(text); }

absl::string_view AnthropicType(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return http_status < 499 ? "invalid_request_error" : "api_error";
  }
}

}  // namespace

absl::Status InvalidField(absl::string_view param, absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kParamPayload, absl::Cord(param));
  return status;
}

std::string FieldOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kParamPayload);
  return payload ? std::string(*payload) : "";
}

absl::Status BlameFirstWord(absl::Status status) {
  absl::string_view word = status.message();
  word = word.substr(0, word.find(' '));
  const bool is_sampling = absl::ConsumePrefix(&word, "sampling.");
  const bool is_field =
      is_sampling || absl::StartsWith(word, "response_format.") || absl::StartsWith(word, "tools[");
  if (!absl::IsInvalidArgument(status) || !is_field || !FieldOf(status).empty()) return status;
  absl::ConsumeSuffix(&word, ":");
  status.SetPayload(kParamPayload, absl::Cord(word));
  return status;
}

ApiError ApiError::FromStatus(const absl::Status& status) {
  ApiError error;
  error.message = std::string(status.message());
  error.param = FieldOf(status);
  const auto set = [&error](int http_status, const char* type, const char* code) {
    error.http_status = http_status;
    error.type = type;
    error.code = code;
  };
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      set(400, "invalid_request_error", "");
      break;
    case absl::StatusCode::kOutOfRange:
      set(400, "invalid_request_error", "context_length_exceeded");
      break;
    case absl::StatusCode::kUnauthenticated:
      set(401, "authentication_error", "invalid_api_key");
      break;
    case absl::StatusCode::kPermissionDenied:
      set(403, "permission_error", "");
      break;
    case absl::StatusCode::kNotFound:
      set(404, "invalid_request_error", "not_found");
      break;
    case absl::StatusCode::kResourceExhausted:
      set(429, "rate_limit_error", "rate_limit_exceeded");
      error.retry_after_seconds = RetryAfterSeconds(status);
      break;
    case absl::StatusCode::kCancelled:
      set(499, "server_error", "cancelled");
      break;
    case absl::StatusCode::kUnavailable:
      set(503, "server_error", "unavailable");
      error.retry_after_seconds = RetryAfterSeconds(status);
      break;
    case absl::StatusCode::kDeadlineExceeded:
      set(504, "server_error", "timeout");
      break;
    default:
      set(500, "server_error", "");
  }
  return error;
}

ApiError ApiError::OfRequest(int http_status, std::string message, std::string code) {
  ApiError error;
  error.http_status = http_status;
  error.type = "invalid_request_error";
  error.message = std::move(message);
  error.code = std::move(code);
  return error;
}

std::string ApiError::OpenAiJson() const {
  return DumpJson(
      {{"error",
        {{"message", message}, {"type", type}, {"param", OrNull(param)}, {"code", OrNull(code)}}}});
}

std::string ApiError::AnthropicJson() const {
  const std::string text = param.empty() || absl::StrContains(message, param)
                               ? message
                               : absl::StrCat(param, ": ", message);
  return DumpJson(
      {{"type", "error"}, {"error", {{"type", AnthropicType(http_status)}, {"message", text}}}});
}

}  // namespace coterie

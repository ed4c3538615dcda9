#include "router/openai/request_headers.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace coterie {
namespace {

constexpr size_t kHeaderBytesMax = 512;
constexpr absl::string_view kBearer = "bearer ";

}  // namespace

absl::string_view KeyOf(const ApiRequest& request) {
  const absl::string_view authorization = request.Header("authorization");
  if (absl::StartsWithIgnoreCase(authorization, kBearer)) {
    return absl::StripAsciiWhitespace(authorization.substr(kBearer.size()));
  }
  return request.Header("x-api-key");
}

std::string HarmlessHeader(const ApiRequest& request, absl::string_view name) {
  const absl::string_view value = request.Header(name);
  const bool harmless =
      value.size() <= kHeaderBytesMax &&
      std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  return harmless ? std::string(value) : "";
}

bool IsJson(const ApiRequest& request) {
  const absl::string_view content_type = request.Header("content-type");
  const absl::string_view type =
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';')));
  if (type.empty()) return request.Header("origin").empty();
  return absl::EqualsIgnoreCase(type, "application/json") ||
         absl::EndsWithIgnoreCase(type, "+json");
}

bool IsPlain(const ApiRequest& request) {
  const absl::string_view encoding = request.Header("content-encoding");
  return encoding.empty() || absl::EqualsIgnoreCase(encoding, "identity");
}

}  // namespace coterie

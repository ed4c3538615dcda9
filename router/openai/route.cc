#include "router/openai/route.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/strip.h"

namespace coterie {
namespace {

struct Path {
  absl::string_view path;
  Endpoint endpoint;
};

constexpr Path kPaths[] = {
    {"/v1/chat/completions", Endpoint::kChat},
    {"/v1/completions", Endpoint::kText},
    {"/v1/responses", Endpoint::kResponses},
    {"/v1/messages", Endpoint::kMessages},
    {"/v1/messages/count_tokens", Endpoint::kCountTokens},
    {"/v1/models", Endpoint::kModels},
    {"/health", Endpoint::kHealth},
    {"/healthz", Endpoint::kHealth},
    {"/livez", Endpoint::kHealth},
    {"/ready", Endpoint::kReady},
    {"/readyz", Endpoint::kReady},
    {"/metrics", Endpoint::kMetrics},
    {"", Endpoint::kRoot},
};

// With %XX as the byte it stands for: names of models have slashes, and clients escape them.
std::string Unescaped(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_escape = text[i] == '%' && i + 2 < text.size() &&
                           absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) &&
                           absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]));
    if (is_escape) {
      out += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool IsPost(Endpoint endpoint) { return endpoint <= Endpoint::kCountTokens; }

}  // namespace

Route FindRoute(absl::string_view method, absl::string_view path) {
  Route route;
  // Clients that join a base URL and a path leave slashes behind.
  const absl::string_view trimmed = absl::StripSuffix(path, "/");
  for (const Path& known : kPaths) {
    if (known.path == trimmed) route.endpoint = known.endpoint;
  }
  absl::string_view model = trimmed;
  if (absl::ConsumePrefix(&model, "/v1/models/") && !model.empty()) {
    route.endpoint = Endpoint::kModel;
    route.model = Unescaped(model);
  }
  if (route.endpoint == Endpoint::kNone) return route;
  const bool is_post = IsPost(route.endpoint);
  route.allow = is_post ? "POST" : "GET, HEAD";
  route.method_fits = is_post ? method == "POST" : method == "GET" || method == "HEAD";
  return route;
}

bool NeedsKey(Endpoint endpoint) { return endpoint <= Endpoint::kModel; }

bool IsAnthropic(Endpoint endpoint) {
  return endpoint == Endpoint::kMessages || endpoint == Endpoint::kCountTokens;
}

}  // namespace coterie

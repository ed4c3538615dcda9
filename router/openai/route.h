// Route: which endpoint a method and a path mean.
#ifndef COTERIE_ROUTER_OPENAI_ROUTE_H_
#define COTERIE_ROUTER_OPENAI_ROUTE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace coterie {

enum class Endpoint {
  kChat,         // POST /v1/chat/completions
  kText,         // POST /v1/completions
  kResponses,    // POST /v1/responses
  kMessages,     // POST /v1/messages
  kCountTokens,  // POST /v1/messages/count_tokens
  kModels,       // GET /v1/models
  kModel,        // GET /v1/models/{id}
  kHealth,       // GET /health, /healthz, /livez: the process runs
  kReady,        // GET /ready, /readyz: requests are taken
  kMetrics,      // GET /metrics
  kRoot,         // GET /
  kNone,         // no such path
};

struct Route {
  Endpoint endpoint = Endpoint::kNone;
  bool method_fits = false;
  const char* allow = "";  // the methods that fit
  std::string model;       // of kModel
};

// HEAD is as good as GET.
Route FindRoute(absl::string_view method, absl::string_view path);

// Those that look at requests and at the model; the others are for probes and scrapers.
bool NeedsKey(Endpoint endpoint);

// Anthropic's clients read errors in their own form.
bool IsAnthropic(Endpoint endpoint);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_ROUTE_H_

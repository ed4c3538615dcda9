// What is not about a request for tokens: the models, probes, metrics, the front page.
#ifndef COTERIE_ROUTER_OPENAI_PAGES_H_
#define COTERIE_ROUTER_OPENAI_PAGES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "router/openai/api_error.h"
#include "router/openai/reply_sink.h"
#include "router/openai/route.h"

namespace coterie {

// What the pages tell of.
struct PageSource {
  // What /v1/models lists; at least one. A request may name any model: there is one, and local
  // servers are commonly asked for another's name. The reply has the name that was asked for if it
  // is one of these, else the first.
  std::vector<std::string> models;
  int64_t context_tokens = 0;
  absl::Time started = absl::Now();  // `created` of the models
  // OK: new requests are taken. Missing: always.
  std::function<absl::Status()> ready;
  // The text of /metrics. Missing: there is no such page.
  std::function<std::string()> metrics;
};

// A model is {"id", "object": "model", "created", "owned_by", "max_model_len"}, and what
// Anthropic's clients look for: "type", "display_name", "created_at", "lifecycle",
// "max_input_tokens".
std::variant<WholeReply, ApiError> MakePage(const Route& route, const PageSource& source);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_PAGES_H_

#include "router/http_frontend.h"

#include <mutex>
#include <random>
#include <utility>

#include "kernels/status_macros.h"
#include "router/http_metrics.h"

namespace coterie {
namespace {

// Ids of replies must not be guessed.
uint64_t RandomWord() {
  static std::mutex mu;
  static std::random_device random;
  std::lock_guard<std::mutex> lock(mu);
  return uint64_t{random()} << 32 | random();
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpFrontend>> HttpFrontend::Start(Options options,
                                                                  RouterStack* stack,
                                                                  prometheus::Registry& registry) {
  Api::Options api;
  EngineCompletions* const completions = &stack->completions();
  Engine* const engine = &stack->engine();
  const Tenants* const tenants = &stack->tenants();
  api.completions = completions;
  api.pages.models = std::move(options.model_names);
  api.pages.context_tokens = engine->options().max_context;
  api.pages.ready = [engine] {
    return engine->is_stopping() ? absl::UnavailableError("this router is draining")
                                 : absl::OkStatus();
  };
  api.pages.metrics = std::move(options.metrics_text);
  api.fingerprint = "fp_" + stack->checkpoint().digest().substr(0, 12);
  api.default_thinking = options.default_thinking;
  api.allow_all_origins = options.allow_all_origins;
  api.request_timeout = options.request_timeout;
  api.random = RandomWord;
  api.count_tokens = [completions](const ChatRequest& request) {
    return completions->CountTokens(request);
  };
  if (tenants->has_keys())
    api.tenant_of = [tenants](absl::string_view key) { return tenants->TenantOf(key); };

  auto result = std::unique_ptr<HttpFrontend>(new HttpFrontend());
  result->metrics_ = std::make_unique<HttpMetrics>(registry);
  result->door_ = std::make_unique<HttpDoor>(std::move(api), &stack->readers());
  ASSIGN_OR_RETURN(result->server_,
                   HttpServer::Start(options.server, result->door_.get(), result->metrics_.get()));
  return result;
}

HttpFrontend::~HttpFrontend() = default;

}  // namespace coterie

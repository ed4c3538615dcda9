#include "tests/testing/store_router.h"

#include <random>

#include "absl/time/clock.h"
#include "kernels/check.h"

namespace coterie {

StoreRouter::StoreRouter(Options options) {
  RouterOptions router;
  router.model = options.model;
  router.workers = options.workers;
  router.kv_type = options.kv_type;
  router.prefill_chunk = options.prefill_chunk;
  router.kv_bytes = options.kv_bytes;
  router.engine = {.max_sequences = options.max_sequences, .max_context = options.max_context};
  if (options.store != nullptr)
    router.store = std::shared_ptr<BlockStore>(options.store, [](BlockStore*) {});
  router.store_link = options.link;
  absl::StatusOr<std::unique_ptr<RouterStack>> stack =
      RouterStack::Create(std::move(router), registry_);
  CHECK(stack.ok()) << stack.status().ToString();
  stack_ = *std::move(stack);
}

StoreRouter::~StoreRouter() { stack_->Stop(absl::Now() + absl::Seconds(60)); }

std::shared_ptr<TokenStream> StoreRouter::Submit(std::vector<int32_t> prompt, int64_t max_tokens,
                                                 const std::string& tenant, ResumeHint hint) {
  EngineRequest request;
  request.tenant = tenant;
  request.resume_hint = hint;
  request.prompt = std::move(prompt);
  request.stable_tokens = static_cast<int64_t>(request.prompt.size());
  request.max_tokens = max_tokens;
  request.num_logprobs = 9;
  absl::StatusOr<std::shared_ptr<TokenStream>> stream = stack_->engine().Submit(std::move(request));
  CHECK(stream.ok()) << stream.status().ToString();
  return *stream;
}

StoreRouter::Answer StoreRouter::Read(TokenStream& stream) {
  Answer answer;
  for (;;) {
    if (const auto token = stream.Next(absl::Seconds(60))) {
      answer.tokens.push_back(token->id);
      answer.logprobs.insert(answer.logprobs.end(), token->logprobs.top.begin(),
                             token->logprobs.top.end());
      answer.cached_tokens = token->usage.cached_tokens;
    } else if (const auto ended = stream.ended()) {
      answer.status = ended->status;
      return answer;
    }
  }
}

void StoreRouter::Flush() {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  // A sequence that leaves writes and hints after its stream has ended.
  for (const Engine& engine = stack_->engine(); engine.num_running() + engine.num_queued() > 0;) {
    CHECK(absl::Now() < deadline);
    absl::SleepFor(absl::Milliseconds(1));
  }
  CHECK(stack_->store_link()->Flush(deadline));
}

double StoreRouter::Counted(const std::string& family, const std::string& label) const {
  for (const prometheus::MetricFamily& found : registry_.Collect()) {
    if (found.name != family) continue;
    for (const prometheus::ClientMetric& metric : found.metric) {
      const bool is_it = label.empty() ? metric.label.empty()
                                       : !metric.label.empty() && metric.label[0].value == label;
      if (is_it) return metric.counter.value + metric.gauge.value;
    }
  }
  return 0;
}

std::vector<int32_t> SomeTokens(int64_t count, uint32_t seed, int32_t vocab) {
  std::minstd_rand random(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens)
    token = 3 + static_cast<int32_t>(random() % static_cast<uint32_t>(vocab - 3));
  return tokens;
}

}  // namespace coterie

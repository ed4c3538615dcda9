// Sequence: one request inside the engine: its tokens, its blocks, how far it has come.
#ifndef COTERIE_ROUTER_ENGINE_SEQUENCE_H_
#define COTERIE_ROUTER_ENGINE_SEQUENCE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/engine/token_stream.h"
#include "router/kv/kv_cache.h"
#include "router/sampling/sampler.h"

namespace coterie {

struct EngineRequest {
  std::string id;
  std::vector<int32_t> prompt;  // not empty, every id below the vocabulary's size
  int64_t max_tokens = 256;
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;  // a sampled one ends the sequence and is not part of the output
  int64_t num_logprobs = 0;       // 0: none; n: the token's own and n - 1 others
  absl::Time deadline = absl::InfiniteFuture();
};

struct Sequence {
  using Clock = std::chrono::steady_clock;

  Sequence(EngineRequest r, std::shared_ptr<TokenStream> s)
      : request(std::move(r)),
        stream(std::move(s)),
        sampler(request.sampling),
        tokens(request.prompt) {}

  bool in_prefill() const { return num_cached < static_cast<int64_t>(request.prompt.size()); }
  int64_t num_generated() const {
    return static_cast<int64_t>(tokens.size() - request.prompt.size());
  }

  EngineRequest request;
  std::shared_ptr<TokenStream> stream;
  Sampler sampler;
  std::vector<int32_t> tokens;  // prompt, then what was generated
  int64_t num_cached = 0;       // positions whose keys and values are in the cache
  std::unique_ptr<KvCache::Sequence> kv;
  bool finished = false;  // its stream has ended; it leaves before the next step
  Clock::time_point arrived = Clock::now(), started, prefilled, last_token;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_SEQUENCE_H_

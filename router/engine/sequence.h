// Sequence: one answer inside the engine: its tokens, its blocks, how far it has come.
#ifndef COTERIE_ROUTER_ENGINE_SEQUENCE_H_
#define COTERIE_ROUTER_ENGINE_SEQUENCE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/engine/resume_hint.h"
#include "router/engine/token_log.h"
#include "router/engine/token_stream.h"
#include "router/kv/kv_cache.h"
#include "router/kv/store_fetch.h"
#include "router/rails/rails.h"
#include "router/sampling/logit_rules.h"
#include "router/sampling/sampler.h"
#include "router/sampling/token_constraint.h"

namespace coterie {

struct EngineRequest {
  std::string id;
  std::string tenant;
  int priority = 0;  // higher goes first
  ResumeHint resume_hint = ResumeHint::kNone;
  std::vector<int32_t> prompt;  // not empty, every id below the vocabulary's size
  int64_t stable_tokens = 0;    // of the prompt, that a follow-up will begin with too
  int64_t max_tokens = 256;     // 0: what the context and the cache leave
  SamplingParams sampling;
  LogitRuleParams rules;
  TokenConstraintFactory constraint;  // null: none
  RailsParams rails;
  std::vector<int32_t> stop_ids;  // a sampled one ends the sequence and is not part of the output
  int64_t num_logprobs = 0;       // 0: none; n: the token's own and n - 1 others
  absl::Time deadline = absl::InfiniteFuture();
  std::shared_ptr<TokenLog> log;  // null: nobody notes the tokens down
  // It was begun elsewhere, with this max_tokens, which must not become less.
  bool goes_on = false;
};

struct Sequence {
  // choice: of a request with several answers. drawn: tokens of the answer that are known already.
  Sequence(EngineRequest r, uint64_t n, absl::Time now, size_t c = 0,
           std::span<const int32_t> drawn = {})
      : request(std::move(r)),
        number(n),
        choice(c),
        stream(std::make_shared<TokenStream>()),
        sampler(request.sampling),
        rules(request.rules, request.prompt, request.stop_ids),
        constraint(request.constraint ? request.constraint() : nullptr),
        rails(request.rails, request.prompt, request.max_tokens),
        tokens(request.prompt),
        arrived(now),
        rank(request.priority),
        last_progress(now) {
    for (const int32_t token : drawn) Replay(token);
  }

  ~Sequence() {
    if (store_fetch != nullptr) store_fetch->Drop();
    if (late_fetch != nullptr) late_fetch->Drop();
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  int64_t num_prompt() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t num_generated() const { return static_cast<int64_t>(tokens.size()) - num_prompt(); }
  // Tokens that are known and whose keys and values are not. One: it is in decode.
  int64_t num_pending() const {
    return static_cast<int64_t>(tokens.size()) - (kv == nullptr ? 0 : kv->num_tokens());
  }

  // A token that was drawn elsewhere, before the first one here: all is as if it had been drawn
  // now.
  void Replay(int32_t token);
  // What it has taken so far.
  RequestUsage Usage(absl::Time now) const;

  EngineRequest request;
  const uint64_t number;  // order of arrival
  const size_t choice;
  std::shared_ptr<TokenStream> stream;
  Sampler sampler;
  LogitRules rules;
  std::unique_ptr<TokenConstraint> constraint;
  Rails rails;
  std::vector<int32_t> tokens;            // prompt, then what was generated
  std::unique_ptr<KvCache::Sequence> kv;  // null while it waits
  // What the store has of its context; null: it was not asked, or the sequence has started.
  std::shared_ptr<StoreFetch> store_fetch;
  // The same of one that has started without it, and whose prompt is being computed.
  std::shared_ptr<StoreFetch> late_fetch;
  // How much was computed when it yielded, until the store was asked for what was forgotten since.
  int64_t num_yielded_tokens = 0;
  // Other answers to the same prompt; they wait until it is computed, and find it in the cache.
  std::vector<std::unique_ptr<Sequence>> siblings;
  int64_t num_cached = 0;  // of the prompt, found in the cache when it was first admitted, or late
  bool queued = true;      // counts as waiting until it has started
  bool finished = false;   // its stream has ended; it leaves before the next step
  const absl::Time arrived;
  int rank;  // its priority, raised for a while when it has waited too long
  absl::Time rank_until = absl::InfiniteFuture();
  absl::Time last_progress;  // when it was last in a step, or arrived
  // InfinitePast: not yet.
  absl::Time started = absl::InfinitePast(), prefilled = absl::InfinitePast(),
             last_token = absl::InfinitePast();
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_SEQUENCE_H_

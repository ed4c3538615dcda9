// CompletionOptions: what every request may ask for, whichever door it came through and whatever it
// completes.
#ifndef COTERIE_ROUTER_FRONTEND_COMPLETION_OPTIONS_H_
#define COTERIE_ROUTER_FRONTEND_COMPLETION_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "router/engine/resume_hint.h"
#include "router/engine/token_log.h"
#include "router/frontend/resumption.h"
#include "router/sampling/logit_rules.h"
#include "router/sampling/sampler.h"

namespace coterie {

inline constexpr int64_t kChoicesMax = 16;
inline constexpr size_t kStopStringsMax = 16;
inline constexpr size_t kStopBytesMax = 256;
inline constexpr size_t kStopIdsMax = 16;
inline constexpr int64_t kTopLogprobsMax = 20;
inline constexpr int kPriorityMax = 100;

struct CompletionOptions {
  std::string request_id;  // for logs and journals; empty: one is made for the logs
  std::string tenant;      // from the caller's key, never from the body (router/frontend/tenants.h)
  std::string session_id;  // what belongs together; nothing depends on it yet
  ResumeHint resume_hint = ResumeHint::kNone;
  int priority = 0;  // -kPriorityMax to kPriorityMax; higher goes first
  int64_t num_choices = 1;
  int64_t max_tokens = 0;  // 0: what the context leaves
  SamplingParams sampling;
  bool has_seed = false;  // without one, sampling.seed is drawn for each request
  LogitRuleParams rules;  // penalties, bias, min_tokens
  std::vector<std::string> stop;
  std::vector<int32_t> stop_ids;
  bool ignore_eos = false;
  bool logprobs = false;
  int64_t top_logprobs = 0;
  bool rails = true;  // stop answers that repeat themselves (router/rails)
  absl::Time deadline = absl::InfiniteFuture();
  std::shared_ptr<TokenLog> log;                 // who notes the tokens down; null: nobody
  std::shared_ptr<const Resumption> resumption;  // null: it begins here

  // InvalidArgument names the field, what was found and what is expected.
  absl::Status Validate(int64_t vocab_size) const;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_COMPLETION_OPTIONS_H_

// LogitRules: what a request changes about the logits before a token is drawn: bias, penalties for
// what was said already, and stop tokens that may not come yet.
//
// Formulas. Repetition (Keskar et al. 2019): a logit of a token that stands in the prompt or in the
// answer is divided by the penalty where it is positive, multiplied where it is negative. Presence
// and frequency (OpenAI): minus presence, minus frequency times the count, of tokens in the answer.
// Bias is added last. A token that may not come gets the lowest float.
//
// Thread-compatible; one for each sequence.
#ifndef COTERIE_ROUTER_SAMPLING_LOGIT_RULES_H_
#define COTERIE_ROUTER_SAMPLING_LOGIT_RULES_H_

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace coterie {

struct LogitRuleParams {
  float repetition_penalty = 1;  // 1: none
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::vector<std::pair<int32_t, float>> bias;  // id, what is added; -100 and 100 decide
  int64_t min_tokens = 0;                       // no stop token before so many

  // InvalidArgument names the field. `vocab_size` bounds the ids of bias.
  absl::Status Validate(int64_t vocab_size) const;
  // True when nothing is changed.
  bool empty() const;
};

class LogitRules {
 public:
  // stop_ids: what min_tokens holds back.
  LogitRules(LogitRuleParams params, std::span<const int32_t> prompt,
             std::vector<int32_t> stop_ids);

  // A token of the answer.
  void Append(int32_t token);
  // Changes `logits` in place. Without hold_stops, min_tokens is left to others: a grammar that is
  // complete lets nothing but a stop token come.
  void Apply(std::span<float> logits, bool hold_stops = true) const;

  bool empty() const { return params_.empty(); }

 private:
  struct Seen {
    int64_t in_answer = 0;
  };

  const LogitRuleParams params_;
  const std::vector<int32_t> stop_ids_;
  std::unordered_map<int32_t, Seen> seen_;  // in the prompt or in the answer
  int64_t num_generated_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_SAMPLING_LOGIT_RULES_H_

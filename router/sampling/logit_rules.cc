#include "router/sampling/logit_rules.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

// The bounds of OpenAI's API.
constexpr float kPenaltyMax = 2, kBiasMax = 100;
constexpr size_t kBiasesMax = 1024;

absl::Status CheckPenalty(const char* name, float value) {
  if (std::isfinite(value) && std::fabs(value) <= kPenaltyMax) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("sampling.", name, " is ", value, ", expected -2 to 2"));
}

}  // namespace

absl::Status LogitRuleParams::Validate(int64_t vocab_size) const {
  if (!std::isfinite(repetition_penalty) || repetition_penalty <= 0 || repetition_penalty > 10)
    return absl::InvalidArgumentError(absl::StrCat(
        "sampling.repetition_penalty is ", repetition_penalty, ", expected above 0, up to 10"));
  absl::Status status = CheckPenalty("presence_penalty", presence_penalty);
  status.Update(CheckPenalty("frequency_penalty", frequency_penalty));
  if (!status.ok()) return status;
  if (min_tokens < 0)
    return absl::InvalidArgumentError(
        absl::StrCat("sampling.min_tokens is ", min_tokens, ", expected 0 or more"));
  if (bias.size() > kBiasesMax)
    return absl::InvalidArgumentError(absl::StrCat("sampling.logit_bias has ", bias.size(),
                                                   " entries, at most ", kBiasesMax, " are taken"));
  for (const auto& [id, value] : bias) {
    if (id < 0 || id >= vocab_size)
      return absl::InvalidArgumentError(absl::StrCat("sampling.logit_bias names token ", id,
                                                     ", the vocabulary has ids 0 to ",
                                                     vocab_size - 1));
    if (!std::isfinite(value) || std::fabs(value) > kBiasMax)
      return absl::InvalidArgumentError(absl::StrCat("sampling.logit_bias of token ", id, " is ",
                                                     value, ", expected -100 to 100"));
  }
  return absl::OkStatus();
}

bool LogitRuleParams::empty() const {
  return repetition_penalty == 1 && presence_penalty == 0 && frequency_penalty == 0 &&
         bias.empty() && min_tokens == 0;
}

LogitRules::LogitRules(LogitRuleParams params, std::span<const int32_t> prompt,
                       std::vector<int32_t> stop_ids)
    : params_(std::move(params)), stop_ids_(std::move(stop_ids)) {
  if (params_.repetition_penalty == 1) return;
  for (const int32_t token : prompt) seen_.try_emplace(token);
}

void LogitRules::Append(int32_t token) {
  if (!params_.empty()) ++seen_[token].in_answer;
  ++num_generated_;
}

void LogitRules::Apply(std::span<float> logits, bool hold_stops) const {
  for (const auto& [token, seen] : seen_) {
    float& logit = logits[static_cast<size_t>(token)];
    if (params_.repetition_penalty != 1)
      logit = logit > 0 ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
    if (seen.in_answer > 0)
      logit -=
          params_.presence_penalty + params_.frequency_penalty * static_cast<float>(seen.in_answer);
  }
  for (const auto& [token, value] : params_.bias) logits[static_cast<size_t>(token)] += value;
  if (hold_stops && num_generated_ < params_.min_tokens) {
    // Finite, since an infinite logit means a broken model to the sampler.
    for (const int32_t stop : stop_ids_)
      logits[static_cast<size_t>(stop)] = std::numeric_limits<float>::lowest();
  }
}

}  // namespace coterie

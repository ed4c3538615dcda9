#include "router/engine/sequence.h"

#include <algorithm>

namespace coterie {

void Sequence::Replay(int32_t token) {
  // A token that a rail forces is not drawn.
  if (!rails.Forced()) sampler.Skip();
  if (constraint != nullptr) constraint->Append(token);
  tokens.push_back(token);
  rules.Append(token);
  rails.Append(token);
}

RequestUsage Sequence::Usage(absl::Time now) const {
  const auto seconds = [](absl::Time from, absl::Time to) {
    return std::max(0.0, absl::ToDoubleSeconds(to - from));
  };
  RequestUsage usage{.prompt_tokens = num_prompt(),
                     .cached_tokens = num_cached,
                     .generated_tokens = num_generated(),
                     .reasoning_tokens = rails.num_reasoning_tokens()};
  const bool has_started = started != absl::InfinitePast(),
             is_prefilled = prefilled != absl::InfinitePast();
  usage.queue_seconds = seconds(arrived, has_started ? started : now);
  if (has_started) usage.prefill_seconds = seconds(started, is_prefilled ? prefilled : now);
  if (is_prefilled) usage.decode_seconds = seconds(prefilled, now);
  return usage;
}

}  // namespace coterie

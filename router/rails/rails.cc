#include "router/rails/rails.h"

namespace coterie {

Rails::Rails(const RailsParams& params, std::span<const int32_t> prompt, int64_t max_tokens) {
  if (params.stop_loops) cycle_.emplace();
  if (!params.chat) return;
  thinking_.emplace(*params.chat, params.starts_in_channel,
                    params.thinking_tokens_max.value_or(max_tokens / 4 * 3));
  if (params.stop_loops) loop_.emplace(*params.chat, prompt);
}

Rails::Verdict Rails::Append(int32_t token) {
  if (thinking_) thinking_->Append(token);
  if (loop_ && loop_->Append(token)) return Verdict::kToolLoop;
  if (cycle_ && cycle_->Append(token) > 0) return Verdict::kRepetition;
  return Verdict::kGoOn;
}

}  // namespace coterie

#include "router/frontend/completion_options.h"

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/utf8.h"

namespace coterie {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckStops(const CompletionOptions& options, int64_t vocab_size) {
  if (options.stop.size() > kStopStringsMax)
    return Invalid("stop has ", options.stop.size(), " strings, at most ", kStopStringsMax,
                   " are taken");
  for (size_t i = 0; i < options.stop.size(); ++i) {
    const std::string& stop = options.stop[i];
    if (stop.empty() || stop.size() > kStopBytesMax)
      return Invalid("stop[", i, "] has ", stop.size(), " bytes, expected 1 to ", kStopBytesMax);
    if (!IsValidUtf8(stop)) return Invalid("stop[", i, "] is not UTF-8");
  }
  if (options.stop_ids.size() > kStopIdsMax)
    return Invalid("stop_ids has ", options.stop_ids.size(), " ids, at most ", kStopIdsMax,
                   " are taken");
  for (size_t i = 0; i < options.stop_ids.size(); ++i) {
    const int32_t id = options.stop_ids[i];
    if (id < 0 || id >= vocab_size)
      return Invalid("stop_ids[", i, "] is ", id, ", the vocabulary has ids 0 to ", vocab_size - 1);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CompletionOptions::Validate(int64_t vocab_size) const {
  RETURN_IF_ERROR(sampling.Validate());
  RETURN_IF_ERROR(rules.Validate(vocab_size));
  RETURN_IF_ERROR(CheckStops(*this, vocab_size));
  if (num_choices < 1 || num_choices > kChoicesMax)
    return Invalid("num_choices (n) is ", num_choices, ", expected 1 to ", kChoicesMax);
  if (max_tokens < 0) return Invalid("max_tokens is ", max_tokens, ", expected 0 or more");
  if (top_logprobs < 0 || top_logprobs > kTopLogprobsMax)
    return Invalid("top_logprobs is ", top_logprobs, ", at most ", kTopLogprobsMax, " are given");
  if (priority < -kPriorityMax || priority > kPriorityMax)
    return Invalid("priority is ", priority, ", expected ", -kPriorityMax, " to ", kPriorityMax);
  return absl::OkStatus();
}

}  // namespace coterie

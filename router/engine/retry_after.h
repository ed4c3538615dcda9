// RetryAfter: how long a refused caller should wait, on the status that refuses it.
#ifndef COTERIE_ROUTER_ENGINE_RETRY_AFTER_H_
#define COTERIE_ROUTER_ENGINE_RETRY_AFTER_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace coterie {

inline constexpr char kRetryAfterPayload[] = "coterie/retry-after-ms";

inline absl::Status WithRetryAfter(absl::Status status, absl::Duration wait) {
  status.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(absl::ToInt64Milliseconds(wait))));
  return status;
}

inline std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  int64_t milliseconds = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &milliseconds)) return std::nullopt;
  return absl::Milliseconds(milliseconds);
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_RETRY_AFTER_H_

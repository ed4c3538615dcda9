#include "router/frontend/stop_matcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace coterie {

std::string StopMatcher::Append(absl::string_view text) {
  if (stopped_) return "";
  held_.append(text.data(), text.size());
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at >= first) continue;
    first = at;
    matched_ = stop;
  }
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, "");
  }
  const size_t keep = HeldBytes();
  std::string settled = held_.substr(0, held_.size() - keep);
  held_.erase(0, settled.size());
  return settled;
}

// The longest end of the text that some stop string begins with.
size_t StopMatcher::HeldBytes() const {
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length) {
      if (absl::EndsWith(held_, absl::string_view(stop).substr(0, length))) keep = length;
    }
  }
  return keep;
}

std::string StopMatcher::Finish() { return std::exchange(held_, ""); }

}  // namespace coterie

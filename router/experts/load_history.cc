#include "router/experts/load_history.h"

#include <cmath>
#include <numeric>

namespace coterie {
namespace {

// Work for each expert, on average, from which a layer's counts say something: some 16 runs, so its
// busiest expert is known to 15 %.
constexpr double kWorkPerExpertMin = 320;

}  // namespace

LoadHistory::LoadHistory(int64_t num_layers, int64_t num_experts, absl::Duration half_life)
    : num_layers_(num_layers),
      num_experts_(num_experts),
      half_life_(half_life),
      load_(static_cast<size_t>(num_layers * num_experts)) {}

void LoadHistory::Add(const std::string& instance, std::span<const uint64_t> counts,
                      absl::Time now) {
  if (counts.size() != load_.size()) return;
  if (last_ != absl::InfinitePast() && now > last_) {
    const double kept = std::exp2(-absl::FDivDuration(now - last_, half_life_));
    for (double& work : load_) work *= kept;
  }
  last_ = now;
  if (counts_.size() >= kInstancesMax && !counts_.contains(instance))
    counts_.erase(counts_.begin());
  std::vector<uint64_t>& seen = counts_[instance];
  // What a process counted before it was seen for the first time may be old.
  if (seen.empty()) seen.assign(counts.begin(), counts.end());
  for (size_t at = 0; at < load_.size(); ++at) {
    if (counts[at] > seen[at]) load_[at] += static_cast<double>(counts[at] - seen[at]);
    seen[at] = counts[at];
  }
}

std::vector<double> LoadHistory::Load() const {
  for (int64_t layer = 0; layer < num_layers_; ++layer) {
    const auto begin = load_.begin() + layer * num_experts_;
    if (std::accumulate(begin, begin + num_experts_, 0.0) <
        kWorkPerExpertMin * static_cast<double>(num_experts_))
      return std::vector<double>(load_.size());
  }
  return load_;
}

}  // namespace coterie

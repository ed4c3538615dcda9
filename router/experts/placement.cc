#include "router/experts/placement.h"

#include <algorithm>

namespace coterie {

Placement::Placement(std::span<const Shard> residents, int64_t num_layers, int64_t num_experts)
    : num_experts_(num_experts) {
  begin_.reserve(static_cast<size_t>(num_layers * num_experts) + 1);
  begin_.push_back(0);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    for (int64_t expert = 0; expert < num_experts; ++expert) {
      for (size_t w = 0; w < residents.size(); ++w) {
        if (residents[w].Holds(layer, expert)) workers_.push_back(static_cast<int>(w));
      }
      begin_.push_back(workers_.size());
    }
  }
}

std::optional<ExpertId> Placement::Missing() const {
  for (size_t at = 0; at + 1 < begin_.size(); ++at) {
    if (begin_[at] < begin_[at + 1]) continue;
    const auto index = static_cast<int64_t>(at);
    return ExpertId{index / num_experts_, index % num_experts_};
  }
  return std::nullopt;
}

int64_t Placement::num_copies_min() const {
  size_t least = workers_.size();
  for (size_t at = 0; at + 1 < begin_.size(); ++at)
    least = std::min(least, begin_[at + 1] - begin_[at]);
  return static_cast<int64_t>(least);
}

}  // namespace coterie

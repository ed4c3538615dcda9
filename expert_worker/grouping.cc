#include "expert_worker/grouping.h"

#include "kernels/check.h"

namespace coterie {

// A counting sort: stable, and linear in pairs and experts.
void Grouping::Group(std::span<const int32_t> pair_expert, int64_t num_experts) {
  start_.assign(static_cast<size_t>(num_experts) + 1, 0);
  for (int32_t expert : pair_expert) {
    CHECK(expert >= 0 && expert < num_experts) << expert;
    ++start_[static_cast<size_t>(expert) + 1];
  }
  runs_.clear();
  for (int64_t expert = 0; expert < num_experts; ++expert) {
    const auto e = static_cast<size_t>(expert);
    start_[e + 1] += start_[e];
    if (start_[e + 1] > start_[e])
      runs_.push_back({static_cast<int32_t>(expert), start_[e], start_[e + 1]});
  }
  order_.resize(pair_expert.size());
  for (size_t pair = 0; pair < pair_expert.size(); ++pair) {
    order_[static_cast<size_t>(start_[static_cast<size_t>(pair_expert[pair])]++)] =
        static_cast<int32_t>(pair);
  }
}

}  // namespace coterie

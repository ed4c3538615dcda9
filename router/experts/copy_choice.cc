#include "router/experts/copy_choice.h"

#include <algorithm>
#include <numeric>

namespace coterie {

const std::vector<int>& CopyChoice::Choose(std::span<const Expert> experts,
                                           std::span<const double> slowness) {
  chosen_.assign(experts.size(), -1);
  order_.resize(experts.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  // Those without a choice first: others then go round them.
  std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
    const bool bound_a = experts[a].copies.size() == 1, bound_b = experts[b].copies.size() == 1;
    if (bound_a != bound_b) return bound_a;
    return experts[a].num_rows > experts[b].num_rows;
  });
  busy_.assign(slowness.size(), 0.0);
  could_be_.assign(slowness.size(), 0);
  for (const size_t e : order_) {
    const double cost = ExpertCost(experts[e].num_rows);
    int best = -1;
    double best_done = 0;
    for (const int worker : experts[e].copies) {
      const auto w = static_cast<size_t>(worker);
      could_be_[w] = 1;
      const double done = busy_[w] + cost * slowness[w];
      if (best >= 0 && done >= best_done) continue;
      best = worker;
      best_done = done;
    }
    busy_[static_cast<size_t>(best)] = best_done;
    chosen_[e] = best;
  }
  return chosen_;
}

double CopyChoice::imbalance() const {
  const double sum = std::accumulate(busy_.begin(), busy_.end(), 0.0);
  if (!(sum > 0)) return 1;
  const auto num_workers = static_cast<double>(std::count(could_be_.begin(), could_be_.end(), 1));
  return *std::max_element(busy_.begin(), busy_.end()) / sum * num_workers;
}

}  // namespace coterie

#include "router/experts/layer_split.h"

#include <algorithm>
#include <numeric>

namespace coterie {
namespace {

constexpr int kPasses = 12;

}  // namespace

void LayerSplit::Solve(std::span<const std::vector<int>> copies, std::span<const double> load,
                       std::span<const double> speed) {
  busy_.assign(speed.size(), 0.0);
  shares_.resize(copies.size());
  for (size_t e = 0; e < copies.size(); ++e) {
    shares_[e].assign(copies[e].size(), 0.0);
    for (size_t c = 0; c < copies[e].size(); ++c) {
      shares_[e][c] = load[e] / static_cast<double>(copies[e].size());
      const auto w = static_cast<size_t>(copies[e][c]);
      busy_[w] += shares_[e][c] / speed[w];
    }
  }
  for (int pass = 0; pass < kPasses; ++pass) {
    for (size_t e = 0; e < copies.size(); ++e) {
      if (copies[e].size() > 1) Refill(copies[e], load[e], shares_[e], speed);
    }
  }
}

// Takes the expert's rows out and pours them in again: up to a common level of those that are below
// it.
void LayerSplit::Refill(std::span<const int> copies, double load, std::span<double> shares,
                        std::span<const double> speed) {
  for (size_t c = 0; c < copies.size(); ++c) {
    const auto w = static_cast<size_t>(copies[c]);
    busy_[w] -= shares[c] / speed[w];
  }
  order_.resize(copies.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
    return busy_[static_cast<size_t>(copies[a])] < busy_[static_cast<size_t>(copies[b])];
  });
  double level = 0, sum_speed = 0, poured = load;
  for (size_t i = 0; i < order_.size(); ++i) {
    const auto w = static_cast<size_t>(copies[order_[i]]);
    // The level at which the first i copies have taken everything.
    if (i > 0 && level + poured / sum_speed <= busy_[w]) break;
    if (i > 0) poured -= (busy_[w] - level) * sum_speed;
    level = busy_[w];
    sum_speed += speed[w];
  }
  level += poured / sum_speed;
  for (size_t c = 0; c < copies.size(); ++c) {
    const auto w = static_cast<size_t>(copies[c]);
    shares[c] = std::max(0.0, level - busy_[w]) * speed[w];
    busy_[w] += shares[c] / speed[w];
  }
}

}  // namespace coterie

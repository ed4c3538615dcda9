// LayerSplit: how the rows of one layer fall on workers when each expert's rows are split among its
// copies so that the busiest worker has as little as can be.
//
// Found by going over the experts a few times and filling the least busy of its copies first, like
// water; each pass lowers the fullest, so few are enough.
#ifndef COTERIE_ROUTER_EXPERTS_LAYER_SPLIT_H_
#define COTERIE_ROUTER_EXPERTS_LAYER_SPLIT_H_

#include <cstdint>
#include <span>
#include <vector>

namespace coterie {

class LayerSplit {
 public:
  // copies[e]: the workers of expert e, possibly none; load[e]: its rows; speed[w] > 0.
  void Solve(std::span<const std::vector<int>> copies, std::span<const double> load,
             std::span<const double> speed);

  // Rows for the speed of each worker.
  std::span<const double> busy() const { return busy_; }

 private:
  void Refill(std::span<const int> copies, double load, std::span<double> shares,
              std::span<const double> speed);

  std::vector<double> busy_;                 // [workers]
  std::vector<std::vector<double>> shares_;  // [experts][copies] rows
  std::vector<size_t> order_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_LAYER_SPLIT_H_

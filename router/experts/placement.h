// Placement: which worker serves each (layer, expert) of this router. A pure function of what the
// workers hold.
#ifndef COTERIE_ROUTER_EXPERTS_PLACEMENT_H_
#define COTERIE_ROUTER_EXPERTS_PLACEMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "expert_worker/shard.h"

namespace coterie {

class Placement {
 public:
  // residents[w]: what worker w holds. Where several hold an expert, the one with fewer experts so
  // far serves it, the earlier on a tie. Unavailable names the first layer and expert without a
  // home.
  static absl::StatusOr<Placement> Of(std::span<const Shard> residents, int64_t num_layers,
                                      int64_t num_experts);

  int worker(int64_t layer, int64_t expert) const {
    return worker_[static_cast<size_t>(layer * num_experts_ + expert)];
  }
  int64_t num_served(int worker) const { return num_served_[static_cast<size_t>(worker)]; }

 private:
  int64_t num_experts_ = 0;
  std::vector<int> worker_;          // [num_layers * num_experts]
  std::vector<int64_t> num_served_;  // [workers]
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_PLACEMENT_H_

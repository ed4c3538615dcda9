// Placement: which workers hold each (layer, expert), of those that are connected now. An immutable
// snapshot, a pure function of what the workers hold.
#ifndef COTERIE_ROUTER_EXPERTS_PLACEMENT_H_
#define COTERIE_ROUTER_EXPERTS_PLACEMENT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "expert_worker/shard.h"
#include "router/experts/expert_outage.h"

namespace coterie {

class Placement {
 public:
  Placement() = default;
  // residents[w]: what worker w holds; nothing for one that is not connected.
  Placement(std::span<const Shard> residents, int64_t num_layers, int64_t num_experts);

  // The workers that hold a copy, in their order.
  std::span<const int> copies(int64_t layer, int64_t expert) const {
    const auto at = static_cast<size_t>(layer * num_experts_ + expert);
    return {workers_.data() + begin_[at], begin_[at + 1] - begin_[at]};
  }
  // The first expert that nobody holds.
  std::optional<ExpertId> Missing() const;
  // The least number of copies that an expert has.
  int64_t num_copies_min() const;

 private:
  int64_t num_experts_ = 0;
  std::vector<size_t> begin_;  // [num_layers * num_experts + 1] index into workers_
  std::vector<int> workers_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_PLACEMENT_H_

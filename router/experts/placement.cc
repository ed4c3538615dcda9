#include "router/experts/placement.h"

#include "absl/strings/str_cat.h"

namespace coterie {

absl::StatusOr<Placement> Placement::Of(std::span<const Shard> residents, int64_t num_layers,
                                        int64_t num_experts) {
  Placement placement;
  placement.num_experts_ = num_experts;
  placement.worker_.reserve(static_cast<size_t>(num_layers * num_experts));
  placement.num_served_.assign(residents.size(), 0);
  for (int64_t layer = 0; layer < num_layers; ++layer) {
    for (int64_t expert = 0; expert < num_experts; ++expert) {
      int home = -1;
      for (size_t w = 0; w < residents.size(); ++w) {
        if (!residents[w].Holds(layer, expert)) continue;
        if (home < 0 || placement.num_served_[w] < placement.num_served_[static_cast<size_t>(home)])
          home = static_cast<int>(w);
      }
      if (home < 0)
        return absl::UnavailableError(
            absl::StrCat("no connected worker holds expert ", expert, " of layer ", layer));
      ++placement.num_served_[static_cast<size_t>(home)];
      placement.worker_.push_back(home);
    }
  }
  return placement;
}

}  // namespace coterie

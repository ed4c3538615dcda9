// ExpertOutage: the one failure of a step that passes by itself: nobody who is connected holds an
// expert that the step needs. Carried by an Unavailable status, so that the engine can tell it from
// what ends requests.
#ifndef COTERIE_ROUTER_EXPERTS_EXPERT_OUTAGE_H_
#define COTERIE_ROUTER_EXPERTS_EXPERT_OUTAGE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace coterie {

struct ExpertId {
  int64_t layer = 0;
  int64_t expert = 0;

  friend bool operator==(const ExpertId&, const ExpertId&) = default;
};

// Unavailable: "no connected worker holds expert E of layer L", and `detail`.
absl::Status ExpertOutage(ExpertId expert, absl::string_view detail);
// The expert that is missing; none when `status` is anything else.
std::optional<ExpertId> MissingExpert(const absl::Status& status);

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_EXPERT_OUTAGE_H_

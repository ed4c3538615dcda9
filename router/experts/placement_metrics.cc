#include "router/experts/placement_metrics.h"

namespace coterie {

PlacementMetrics::PlacementMetrics(prometheus::Registry& registry)
    : planning_(prometheus::BuildGauge()
                    .Name("router_planning")
                    .Help("1 while this router is the one that moves experts")
                    .Register(registry)
                    .Add({})),
      uncovered_(prometheus::BuildGauge()
                     .Name("router_uncovered_experts")
                     .Help("Experts for which no worker has memory, as the planner sees it")
                     .Register(registry)
                     .Add({})),
      experts_(prometheus::BuildCounter()
                   .Name("router_moved_experts_total")
                   .Help("Experts that this router had workers load, by reason")
                   .Register(registry)),
      bytes_(prometheus::BuildCounter()
                 .Name("router_moved_bytes_total")
                 .Help("Bytes of experts that this router had workers load, by reason")
                 .Register(registry)),
      copies_{experts_.Add({{"reason", "copies"}}), bytes_.Add({{"reason", "copies"}})},
      evening_{experts_.Add({{"reason", "balance"}}), bytes_.Add({{"reason", "balance"}})} {}

void PlacementMetrics::CountMoved(bool is_evening, int64_t num_experts, int64_t num_bytes) {
  const Moves& moves = is_evening ? evening_ : copies_;
  moves.experts.Increment(static_cast<double>(num_experts));
  moves.bytes.Increment(static_cast<double>(num_bytes));
}

}  // namespace coterie

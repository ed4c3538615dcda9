// PlacementMetrics: what the planner's router counts. docs/metrics.md has a row for each.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_EXPERTS_PLACEMENT_METRICS_H_
#define COTERIE_ROUTER_EXPERTS_PLACEMENT_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstdint>

namespace coterie {

class PlacementMetrics {
 public:
  explicit PlacementMetrics(prometheus::Registry& registry);

  void SetPlanning(bool planning) { planning_.Set(planning ? 1 : 0); }
  void SetUncovered(int64_t num_experts) { uncovered_.Set(static_cast<double>(num_experts)); }
  // Experts that workers have loaded, and their bytes.
  void CountMoved(bool is_evening, int64_t num_experts, int64_t num_bytes);

 private:
  struct Moves {
    prometheus::Counter& experts;
    prometheus::Counter& bytes;
  };

  prometheus::Gauge& planning_;
  prometheus::Gauge& uncovered_;
  prometheus::Family<prometheus::Counter>& experts_;
  prometheus::Family<prometheus::Counter>& bytes_;
  Moves copies_, evening_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_PLACEMENT_METRICS_H_

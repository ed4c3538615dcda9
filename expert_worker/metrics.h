// Every metric of an expert worker, in one struct, resolved at construction. docs/metrics.md has a
// row for each.
#ifndef COTERIE_EXPERT_WORKER_METRICS_H_
#define COTERIE_EXPERT_WORKER_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace coterie {

struct ExpertWorkerMetrics {
  ExpertWorkerMetrics(prometheus::Registry& registry, int64_t num_layers, int64_t num_experts);

  prometheus::Counter& dispatches;
  prometheus::Counter& rows;
  prometheus::Counter& received_bytes;
  prometheus::Counter& sent_bytes;
  prometheus::Gauge& queued;
  prometheus::Counter& busy_seconds;
  prometheus::Histogram& compute_seconds;
  prometheus::Histogram& queue_seconds;
  prometheus::Gauge& resident_experts;
  prometheus::Gauge& resident_bytes;
  prometheus::Counter& loaded_experts;   // by moves
  prometheus::Counter& dropped_experts;  // by moves
  prometheus::Gauge& streams;
  prometheus::Counter& streams_ended;
  prometheus::Gauge& draining;
  std::vector<prometheus::Counter*> layer_pairs;  // [num_layers]
  std::vector<prometheus::Counter*>
      expert_pairs;  // [num_experts], over all layers: 3,840 series would be too many

  void CountError(const absl::Status& status);

 private:
  prometheus::Family<prometheus::Counter>& errors_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_METRICS_H_

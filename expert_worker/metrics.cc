#include "expert_worker/metrics.h"

#include <string>

namespace coterie {
namespace {

prometheus::Counter& MakeCounter(prometheus::Registry& registry, const char* name,
                                 const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& MakeGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

// Powers of two from 50 us, the quickest decode, to 6.5 s, a long prefill.
prometheus::Histogram::BucketBoundaries ComputeBuckets() {
  prometheus::Histogram::BucketBoundaries buckets;
  for (double bound = 50e-6; bound < 7.0; bound *= 2) buckets.push_back(bound);
  return buckets;
}

std::vector<prometheus::Counter*> MakeCounters(prometheus::Registry& registry, const char* name,
                                               const char* help, const char* label, int64_t count) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  std::vector<prometheus::Counter*> counters;
  for (int64_t i = 0; i < count; ++i) counters.push_back(&family.Add({{label, std::to_string(i)}}));
  return counters;
}

}  // namespace

ExpertWorkerMetrics::ExpertWorkerMetrics(prometheus::Registry& registry, int64_t num_layers,
                                         int64_t num_experts)
    : dispatches(MakeCounter(registry, "expert_worker_dispatches_total",
                             "Dispatches answered, failed ones included")),
      rows(MakeCounter(registry, "expert_worker_rows_total", "Token rows received")),
      received_bytes(MakeCounter(registry, "expert_worker_received_bytes_total",
                                 "Bytes of rows received from routers")),
      sent_bytes(
          MakeCounter(registry, "expert_worker_sent_bytes_total", "Bytes of rows sent to routers")),
      queued(MakeGauge(registry, "expert_worker_queued_dispatches",
                       "Dispatches that are here and not answered yet")),
      busy_seconds(
          MakeCounter(registry, "expert_worker_busy_seconds_total", "Time spent computing")),
      compute_seconds(prometheus::BuildHistogram()
                          .Name("expert_worker_compute_seconds")
                          .Help("Time to compute one dispatch")
                          .Register(registry)
                          .Add({}, ComputeBuckets())),
      queue_seconds(prometheus::BuildHistogram()
                        .Name("expert_worker_queue_seconds")
                        .Help("Time a dispatch waited for those of other routers")
                        .Register(registry)
                        .Add({}, ComputeBuckets())),
      resident_experts(
          MakeGauge(registry, "expert_worker_resident_experts", "(layer, expert) pairs loaded")),
      resident_bytes(MakeGauge(registry, "expert_worker_resident_expert_bytes",
                               "Memory of the loaded experts")),
      loaded_experts(MakeCounter(registry, "expert_worker_loaded_experts_total",
                                 "Experts that a planner had this worker load")),
      dropped_experts(MakeCounter(registry, "expert_worker_dropped_experts_total",
                                  "Experts that a planner had this worker drop")),
      streams(MakeGauge(registry, "expert_worker_streams", "Routers connected")),
      streams_ended(MakeCounter(registry, "expert_worker_streams_ended_total",
                                "Streams of routers that have ended, for whatever reason")),
      draining(MakeGauge(registry, "expert_worker_draining", "1 while draining")),
      layer_pairs(MakeCounters(registry, "expert_worker_layer_pairs_total",
                               "(row, expert) pairs computed, by layer", "layer", num_layers)),
      expert_pairs(MakeCounters(registry, "expert_worker_expert_pairs_total",
                                "(row, expert) pairs computed, by expert over all layers", "expert",
                                num_experts)),
      errors_(prometheus::BuildCounter()
                  .Name("expert_worker_errors_total")
                  .Help("Dispatches refused or failed, by status code")
                  .Register(registry)) {}

void ExpertWorkerMetrics::CountError(const absl::Status& status) {
  errors_.Add({{"code", absl::StatusCodeToString(status.code())}}).Increment();
}

}  // namespace coterie

#include "router/metrics.h"

#include <algorithm>

namespace coterie {
namespace {

prometheus::Counter& MakeCounter(prometheus::Registry& registry, const char* name,
                                 const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& MakeGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

// Doubling buckets from `first` to beyond `last`.
prometheus::Histogram& MakeHistogram(prometheus::Registry& registry, const char* name,
                                     const char* help, double first, double last) {
  prometheus::Histogram::BucketBoundaries buckets;
  for (double bound = first; bound < last * 2; bound *= 2) buckets.push_back(bound);
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

}  // namespace

RouterMetrics::RouterMetrics(prometheus::Registry& registry, int64_t num_layers,
                             int64_t num_experts, const std::vector<std::string>& workers)
    : prompt_tokens(MakeCounter(registry, "router_prompt_tokens_total", "Prompt tokens prefilled")),
      generated_tokens(MakeCounter(registry, "router_generated_tokens_total", "Tokens generated")),
      running(MakeGauge(registry, "router_running_requests", "Requests in prefill or decode")),
      queued(MakeGauge(registry, "router_queued_requests",
                       "Requests waiting for memory or a place in the batch")),
      kv_used_bytes(MakeGauge(registry, "router_kv_used_bytes", "KV cache blocks in use")),
      kv_reserved_bytes(
          MakeGauge(registry, "router_kv_reserved_bytes", "KV cache promised to running requests")),
      kv_budget_bytes(
          MakeGauge(registry, "router_kv_budget_bytes", "KV cache that may be promised")),
      queue_wait_seconds(MakeHistogram(registry, "router_queue_wait_seconds",
                                       "From arrival to the first prefill step", 1e-3, 60)),
      time_to_first_token_seconds(MakeHistogram(registry, "router_time_to_first_token_seconds",
                                                "From arrival to the first token", 1e-3, 120)),
      time_per_token_seconds(MakeHistogram(registry, "router_time_per_token_seconds",
                                           "Between two tokens of a request", 1e-3, 10)),
      prefill_step_seconds(MakeHistogram(registry, "router_prefill_step_seconds",
                                         "One prefill chunk through the model", 1e-3, 60)),
      decode_step_seconds(MakeHistogram(registry, "router_decode_step_seconds",
                                        "One token of every running request", 1e-3, 10)),
      dispatch_wait_seconds(MakeHistogram(registry, "router_dispatch_wait_seconds",
                                          "Wait for experts after the dense branch, one layer",
                                          10e-6, 5)),
      distinct_experts(MakeHistogram(registry, "router_distinct_experts",
                                     "Different experts touched by one layer of one step", 1, 64)),
      requests_(prometheus::BuildCounter()
                    .Name("router_requests_total")
                    .Help("Requests ended, by status code")
                    .Register(registry)),
      seen_(static_cast<size_t>(num_experts)) {
  auto& layers = prometheus::BuildCounter()
                     .Name("router_layer_pairs_total")
                     .Help("(row, expert) pairs routed, by layer")
                     .Register(registry);
  for (int64_t layer = 0; layer < num_layers; ++layer)
    layer_pairs.push_back(&layers.Add({{"layer", std::to_string(layer)}}));
  auto& distinct = prometheus::BuildCounter()
                       .Name("router_layer_distinct_experts_total")
                       .Help("Different experts touched, summed over steps, by layer")
                       .Register(registry);
  for (int64_t layer = 0; layer < num_layers; ++layer)
    layer_distinct_experts.push_back(&distinct.Add({{"layer", std::to_string(layer)}}));
  auto& sent = prometheus::BuildCounter()
                   .Name("router_worker_sent_bytes_total")
                   .Help("Bytes of rows sent to a worker")
                   .Register(registry);
  auto& received = prometheus::BuildCounter()
                       .Name("router_worker_received_bytes_total")
                       .Help("Bytes of rows received from a worker")
                       .Register(registry);
  auto& pairs = prometheus::BuildCounter()
                    .Name("router_worker_pairs_total")
                    .Help("(row, expert) pairs computed by a worker")
                    .Register(registry);
  auto& compute = prometheus::BuildCounter()
                      .Name("router_worker_compute_seconds_total")
                      .Help("Time a worker says it computed")
                      .Register(registry);
  auto& connected = prometheus::BuildGauge()
                        .Name("router_worker_connected")
                        .Help("1 while the link to a worker is up")
                        .Register(registry);
  for (const std::string& worker : workers) {
    const prometheus::Labels labels = {{"worker", worker}};
    workers_.push_back({&sent.Add(labels), &received.Add(labels), &pairs.Add(labels),
                        &compute.Add(labels), &connected.Add(labels)});
  }
}

void RouterMetrics::CountRequest(const absl::Status& status) {
  requests_.Add({{"code", absl::StatusCodeToString(status.code())}}).Increment();
}

void RouterMetrics::CountSent(int worker, int64_t num_bytes) {
  workers_[static_cast<size_t>(worker)].sent_bytes->Increment(static_cast<double>(num_bytes));
}

void RouterMetrics::CountReceived(int worker, int64_t num_pairs, int64_t num_bytes,
                                  double compute_seconds) {
  Worker& w = workers_[static_cast<size_t>(worker)];
  w.pairs->Increment(static_cast<double>(num_pairs));
  w.received_bytes->Increment(static_cast<double>(num_bytes));
  w.compute_seconds->Increment(compute_seconds);
}

void RouterMetrics::SetConnected(int worker, bool connected) {
  workers_[static_cast<size_t>(worker)].connected->Set(connected ? 1 : 0);
}

void RouterMetrics::CountRouting(int64_t layer, std::span<const int32_t> experts) {
  layer_pairs[static_cast<size_t>(layer)]->Increment(static_cast<double>(experts.size()));
  std::fill(seen_.begin(), seen_.end(), false);
  for (int32_t expert : experts) seen_[static_cast<size_t>(expert)] = true;
  const auto distinct = static_cast<double>(std::count(seen_.begin(), seen_.end(), true));
  distinct_experts.Observe(distinct);
  layer_distinct_experts[static_cast<size_t>(layer)]->Increment(distinct);
}

}  // namespace coterie

#include "router/metrics.h"

#include <algorithm>

namespace coterie {
namespace {

prometheus::Counter& MakeCounter(prometheus::Registry& registry, const char* name,
                                 const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& MakeGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

// From `first` to beyond `last`.
prometheus::Histogram::BucketBoundaries DoublingBuckets(double first, double last) {
  prometheus::Histogram::BucketBoundaries buckets;
  for (double bound = first; bound < last * 2; bound *= 2) buckets.push_back(bound);
  return buckets;
}

prometheus::Histogram& MakeHistogram(prometheus::Registry& registry, const char* name,
                                     const char* help, double first, double last) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
      {}, DoublingBuckets(first, last));
}

// Layers at the beginning, in the middle and at the end route differently; 30 series would say
// little more.
constexpr int64_t kLayerGroups = 3;

// In the order of AnswerEnd.
constexpr const char* kAnswerEnds[] = {"stop",      "tool_calls", "length", "repetition",
                                       "tool_loop", "cancelled",  "failed"};

}  // namespace

RouterMetrics::RouterMetrics(prometheus::Registry& registry, int64_t num_layers,
                             int64_t num_experts)
    : prompt_tokens(MakeCounter(registry, "router_prompt_tokens_total",
                                "Prompt tokens of requests that got their first token")),
      cached_tokens(MakeCounter(registry, "router_cached_tokens_total",
                                "Prompt tokens found in the KV cache instead of computed")),
      generated_tokens(MakeCounter(registry, "router_generated_tokens_total", "Tokens generated")),
      running(MakeGauge(registry, "router_running_requests", "Requests in prefill or decode")),
      queued(MakeGauge(registry, "router_queued_requests",
                       "Requests waiting for memory or a place in the batch")),
      kv_held_bytes(MakeGauge(registry, "router_kv_held_bytes",
                              "KV cache in use by running requests; the rest may be forgotten")),
      kv_budget_bytes(MakeGauge(registry, "router_kv_budget_bytes", "KV cache there may be")),
      kv_evictions(MakeCounter(registry, "router_kv_evictions_total",
                               "Cached blocks and checkpoints forgotten for want of memory")),
      preemptions(MakeCounter(registry, "router_preemptions_total",
                              "Running requests that gave their place up, to resume later")),
      thinking_cut(MakeCounter(registry, "router_thinking_cut_total",
                               "Channels of reasoning closed because their budget was spent")),
      queue_wait_seconds(MakeHistogram(registry, "router_queue_wait_seconds",
                                       "From arrival to the first prefill step", 1e-3, 60)),
      time_to_first_token_seconds(MakeHistogram(registry, "router_time_to_first_token_seconds",
                                                "From arrival to the first token", 1e-3, 120)),
      time_per_token_seconds(MakeHistogram(registry, "router_time_per_token_seconds",
                                           "Between two tokens of a request", 1e-3, 10)),
      prefill_step_seconds(MakeHistogram(registry, "router_prefill_step_seconds",
                                         "One step with prompt tokens in it", 1e-3, 60)),
      decode_step_seconds(MakeHistogram(registry, "router_decode_step_seconds",
                                        "One step of one token for every running request", 1e-3,
                                        10)),
      exchange_seconds(
          MakeHistogram(registry, "router_exchange_seconds",
                        "From sending a layer's rows to the arrival of the last answer", 10e-6, 5)),
      dense_branch_seconds(MakeHistogram(registry, "router_dense_branch_seconds",
                                         "The dense branch of one layer, while its rows are away",
                                         10e-6, 5)),
      dispatch_wait_seconds(MakeHistogram(registry, "router_dispatch_wait_seconds",
                                          "Wait for experts after the dense branch, one layer",
                                          10e-6, 5)),
      distinct_experts(MakeHistogram(registry, "router_distinct_experts",
                                     "Different experts touched by one layer of one step", 1, 64)),
      expert_outage_seconds(
          MakeCounter(registry, "router_expert_outage_seconds_total",
                      "Time for which steps waited for an expert that no connected worker held")),
      expert_copies_min(MakeGauge(registry, "router_expert_copies_min",
                                  "Connected workers that hold the expert that fewest hold")),
      gateway_{MakeGauge(registry, "vllm:num_requests_running", "As router_running_requests"),
               MakeGauge(registry, "vllm:num_requests_waiting", "As router_queued_requests"),
               MakeGauge(registry, "vllm:kv_cache_usage_perc",
                         "Share of the KV cache in use by running requests, 0 to 1")},
      kv_used_bytes_(prometheus::BuildGauge()
                         .Name("router_kv_used_bytes")
                         .Help("KV cache blocks in use, by group of layers")
                         .Register(registry)),
      kv_sliding_bytes_(kv_used_bytes_.Add({{"group", "sliding"}})),
      kv_global_bytes_(kv_used_bytes_.Add({{"group", "global"}})),
      step_rows_(prometheus::BuildCounter()
                     .Name("router_step_rows_total")
                     .Help("Rows of steps, by kind")
                     .Register(registry)),
      prompt_rows_(step_rows_.Add({{"kind", "prompt"}})),
      decode_rows_(step_rows_.Add({{"kind", "decode"}})),
      requests_(prometheus::BuildCounter()
                    .Name("router_requests_total")
                    .Help("Requests ended, by status code")
                    .Register(registry)),
      worker_families_(registry),
      seen_(static_cast<size_t>(num_experts)) {
  auto& ended = prometheus::BuildCounter()
                    .Name("router_answers_total")
                    .Help("Answers ended, by the reason that their callers were told")
                    .Register(registry);
  for (const char* reason : kAnswerEnds) answers_.push_back(&ended.Add({{"reason", reason}}));
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
  auto& imbalance = prometheus::BuildHistogram()
                        .Name("router_layer_imbalance")
                        .Help("Work of the busiest worker relative to the mean, one layer")
                        .Register(registry);
  for (int64_t group = 0; group < kLayerGroups; ++group) {
    const int64_t first = group * num_layers / kLayerGroups,
                  last = (group + 1) * num_layers / kLayerGroups - 1;
    imbalance_.push_back(
        &imbalance.Add({{"layers", std::to_string(first) + "-" + std::to_string(last)}},
                       prometheus::Histogram::BucketBoundaries{1.05, 1.15, 1.3, 1.5, 2, 3, 4, 8}));
  }
}

RouterMetrics::WorkerFamilies::WorkerFamilies(prometheus::Registry& registry)
    : sent_bytes(CounterFamily(registry, "router_worker_sent_bytes_total",
                               "Bytes of rows sent to a worker")),
      received_bytes(CounterFamily(registry, "router_worker_received_bytes_total",
                                   "Bytes of rows received from a worker")),
      pairs(CounterFamily(registry, "router_worker_pairs_total",
                          "(row, expert) pairs computed by a worker")),
      compute_seconds(CounterFamily(registry, "router_worker_compute_seconds_total",
                                    "Time a worker says it computed")),
      queue_seconds(CounterFamily(registry, "router_worker_queue_seconds_total",
                                  "Time that a worker says dispatches waited for those of other "
                                  "routers")),
      connected(prometheus::BuildGauge()
                    .Name("router_worker_connected")
                    .Help("1 while the link to a worker is up")
                    .Register(registry)),
      answer_seconds(prometheus::BuildHistogram()
                         .Name("router_worker_answer_seconds")
                         .Help("From sending a dispatch to its answer")
                         .Register(registry)),
      link_seconds(prometheus::BuildHistogram()
                       .Name("router_worker_link_seconds")
                       .Help("Time of an answer that its worker neither computed nor let it wait")
                       .Register(registry)),
      resent(CounterFamily(registry, "router_dispatch_resends_total",
                           "Dispatches sent to other copies because a worker failed")),
      overdue(CounterFamily(registry, "router_dispatch_overdue_total",
                            "Dispatches whose answer was overdue")),
      hedges(CounterFamily(registry, "router_dispatch_hedges_total",
                           "Overdue dispatches whose rows were asked of other copies as well")),
      late(CounterFamily(registry, "router_late_answers_total",
                         "Answers that came when nobody waited for them any more")) {}

RouterMetrics::Worker RouterMetrics::WorkerFamilies::Add(const std::string& name) {
  const prometheus::Labels labels = {{"worker", name}};
  return {&sent_bytes.Add(labels),
          &received_bytes.Add(labels),
          &pairs.Add(labels),
          &compute_seconds.Add(labels),
          &queue_seconds.Add(labels),
          &connected.Add(labels),
          &answer_seconds.Add(labels, DoublingBuckets(50e-6, 5)),
          &link_seconds.Add(labels, DoublingBuckets(10e-6, 5)),
          &resent.Add(labels),
          &overdue.Add(labels),
          &hedges.Add(labels),
          &late.Add(labels)};
}

void RouterMetrics::AddWorker(const std::string& name) {
  workers_.push_back(worker_families_.Add(name));
}

void RouterMetrics::SetRequests(int64_t num_running, int64_t num_waiting) {
  running.Set(static_cast<double>(num_running));
  queued.Set(static_cast<double>(num_waiting));
  gateway_.running.Set(static_cast<double>(num_running));
  gateway_.waiting.Set(static_cast<double>(num_waiting));
}

void RouterMetrics::SetKv(const KvUse& use) {
  kv_sliding_bytes_.Set(static_cast<double>(use.sliding_bytes));
  kv_global_bytes_.Set(static_cast<double>(use.global_bytes));
  kv_held_bytes.Set(static_cast<double>(use.held_bytes));
  gateway_.kv_usage.Set(static_cast<double>(use.held_bytes) /
                        static_cast<double>(use.budget_bytes));
  kv_evictions.Increment(static_cast<double>(use.num_evicted) - kv_evictions.Value());
  preemptions.Increment(static_cast<double>(use.num_yields) - preemptions.Value());
}

void RouterMetrics::CountStep(int64_t num_rows, int64_t num_prompt_rows, double seconds) {
  (num_prompt_rows > 0 ? prefill_step_seconds : decode_step_seconds).Observe(seconds);
  prompt_rows_.Increment(static_cast<double>(num_prompt_rows));
  decode_rows_.Increment(static_cast<double>(num_rows - num_prompt_rows));
}

void RouterMetrics::CountAnswer(AnswerEnd end) { answers_[static_cast<size_t>(end)]->Increment(); }

void RouterMetrics::CountRequest(const absl::Status& status) {
  requests_.Add({{"code", absl::StatusCodeToString(status.code())}}).Increment();
}

void RouterMetrics::CountSent(int worker, int64_t num_bytes) {
  workers_[static_cast<size_t>(worker)].sent_bytes->Increment(static_cast<double>(num_bytes));
}

void RouterMetrics::CountReceived(int worker, const Answer& answer) {
  Worker& w = workers_[static_cast<size_t>(worker)];
  w.pairs->Increment(static_cast<double>(answer.num_pairs));
  w.received_bytes->Increment(static_cast<double>(answer.num_bytes));
  w.compute_seconds->Increment(answer.compute_seconds);
  w.queue_seconds->Increment(answer.queue_seconds);
  w.answer_seconds->Observe(answer.answer_seconds);
  // A worker may say anything.
  w.link_seconds->Observe(
      std::max(0.0, answer.answer_seconds - answer.compute_seconds - answer.queue_seconds));
}

void RouterMetrics::CountResent(int worker) {
  workers_[static_cast<size_t>(worker)].resent->Increment();
}

void RouterMetrics::CountOverdue(int worker) {
  workers_[static_cast<size_t>(worker)].overdue->Increment();
}

void RouterMetrics::CountHedge(int worker) {
  workers_[static_cast<size_t>(worker)].hedges->Increment();
}

void RouterMetrics::CountLate(int worker) {
  workers_[static_cast<size_t>(worker)].late->Increment();
}

void RouterMetrics::SetConnected(int worker, bool connected) {
  workers_[static_cast<size_t>(worker)].connected->Set(connected ? 1 : 0);
}

void RouterMetrics::CountImbalance(int64_t layer, double ratio) {
  const auto num_layers = static_cast<int64_t>(layer_pairs.size());
  imbalance_[static_cast<size_t>(((layer + 1) * kLayerGroups - 1) / num_layers)]->Observe(ratio);
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

// Every metric of the router, in one struct, resolved at construction. docs/metrics.md has a row
// for each.
#ifndef COTERIE_ROUTER_METRICS_H_
#define COTERIE_ROUTER_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace coterie {

// How an answer ended, as its caller was told.
enum class AnswerEnd {
  kStop,  // a stop token or a stop string
  kToolCalls,
  kLength,
  kRepetition,  // a rail, as the next
  kToolLoop,
  kCancelled,  // or its caller went before the end
  kFailed,
};

// Of the KV cache, now; the counts since the start.
struct KvUse {
  int64_t sliding_bytes = 0, global_bytes = 0;
  int64_t held_bytes = 0;  // of both, by running sequences; the rest may be forgotten
  int64_t budget_bytes = 0;
  int64_t num_evicted = 0;
  int64_t num_yields = 0;
};

struct RouterMetrics {
  RouterMetrics(prometheus::Registry& registry, int64_t num_layers, int64_t num_experts);

  // The next worker, counted by its index from then on. By the engine's thread, as what counts.
  void AddWorker(const std::string& name);
  int num_workers() const { return static_cast<int>(workers_.size()); }

  prometheus::Counter& prompt_tokens;
  prometheus::Counter& cached_tokens;
  prometheus::Counter& generated_tokens;
  prometheus::Gauge& running;
  prometheus::Gauge& queued;
  prometheus::Gauge& kv_held_bytes;
  prometheus::Gauge& kv_budget_bytes;
  prometheus::Counter& kv_evictions;
  prometheus::Counter& preemptions;
  prometheus::Counter& thinking_cut;
  prometheus::Histogram& queue_wait_seconds;
  prometheus::Histogram& time_to_first_token_seconds;
  prometheus::Histogram& time_per_token_seconds;
  prometheus::Histogram& prefill_step_seconds;
  prometheus::Histogram& decode_step_seconds;
  prometheus::Histogram& exchange_seconds;
  prometheus::Histogram& dense_branch_seconds;
  prometheus::Histogram& dispatch_wait_seconds;
  prometheus::Histogram& distinct_experts;
  prometheus::Counter& expert_outage_seconds;
  prometheus::Gauge& expert_copies_min;
  std::vector<prometheus::Counter*> layer_pairs;             // [num_layers]
  std::vector<prometheus::Counter*> layer_distinct_experts;  // [num_layers]

  void SetRequests(int64_t running, int64_t waiting);
  void SetKv(const KvUse& use);
  // One step: its rows, and how many of them belong to prompts.
  void CountStep(int64_t num_rows, int64_t num_prompt_rows, double seconds);
  void CountAnswer(AnswerEnd end);
  // By the code of a request's end.
  void CountRequest(const absl::Status& status);
  void CountSent(int worker, int64_t num_bytes);
  // What one answer was: the worker says how long it computed and, before that, did others' work.
  struct Answer {
    int64_t num_pairs = 0, num_bytes = 0;
    double compute_seconds = 0, queue_seconds = 0;
    double answer_seconds = 0;  // from sending to its arrival
  };
  void CountReceived(int worker, const Answer& answer);
  // Rows were sent to another copy, because of this worker: it failed, or its answer was overdue.
  void CountResent(int worker);
  void CountOverdue(int worker);
  // Rows of an overdue dispatch were asked of another copy.
  void CountHedge(int worker);
  // An answer came when others had given it already.
  void CountLate(int worker);
  void SetConnected(int worker, bool connected);
  // How much more than the mean the busiest worker was given of one layer of one step; 1: even.
  void CountImbalance(int64_t layer, double ratio);
  // One layer's routing of one step: pairs, and how many different experts they touch.
  void CountRouting(int64_t layer, std::span<const int32_t> experts);

 private:
  struct Worker {
    prometheus::Counter* sent_bytes;
    prometheus::Counter* received_bytes;
    prometheus::Counter* pairs;
    prometheus::Counter* compute_seconds;
    prometheus::Counter* queue_seconds;
    prometheus::Gauge* connected;
    prometheus::Histogram* answer_seconds;
    prometheus::Histogram* link_seconds;
    prometheus::Counter* resent;
    prometheus::Counter* overdue;
    prometheus::Counter* hedges;
    prometheus::Counter* late;
  };

  struct WorkerFamilies {
    explicit WorkerFamilies(prometheus::Registry& registry);
    Worker Add(const std::string& name);

    prometheus::Family<prometheus::Counter>& sent_bytes;
    prometheus::Family<prometheus::Counter>& received_bytes;
    prometheus::Family<prometheus::Counter>& pairs;
    prometheus::Family<prometheus::Counter>& compute_seconds;
    prometheus::Family<prometheus::Counter>& queue_seconds;
    prometheus::Family<prometheus::Gauge>& connected;
    prometheus::Family<prometheus::Histogram>& answer_seconds;
    prometheus::Family<prometheus::Histogram>& link_seconds;
    prometheus::Family<prometheus::Counter>& resent;
    prometheus::Family<prometheus::Counter>& overdue;
    prometheus::Family<prometheus::Counter>& hedges;
    prometheus::Family<prometheus::Counter>& late;
  };

  // What the Gateway API's model-server protocol reads, under the names that it knows.
  struct GatewayNames {
    prometheus::Gauge& running;
    prometheus::Gauge& waiting;
    prometheus::Gauge& kv_usage;
  };

  GatewayNames gateway_;
  prometheus::Family<prometheus::Gauge>& kv_used_bytes_;
  prometheus::Gauge& kv_sliding_bytes_;
  prometheus::Gauge& kv_global_bytes_;
  prometheus::Family<prometheus::Counter>& step_rows_;
  prometheus::Counter& prompt_rows_;
  prometheus::Counter& decode_rows_;
  std::vector<prometheus::Counter*> answers_;  // by AnswerEnd
  prometheus::Family<prometheus::Counter>& requests_;
  std::vector<prometheus::Histogram*> imbalance_;  // [kLayerGroups]
  WorkerFamilies worker_families_;
  std::vector<Worker> workers_;
  std::vector<bool> seen_;  // [num_experts], scratch of CountRouting
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_METRICS_H_

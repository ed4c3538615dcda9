// Engine: the one thread that owns trunk, cache and batch. Requests come in through a bounded
// queue, tokens leave through each sequence's TokenStream.
//
// Scheduler says what is in a step; the engine computes it, draws tokens and ends sequences.
// Whatever shares a step, and however often a sequence has yielded, its tokens are the same.
//
// Thread-safe: Submit and the counters by any thread.
#ifndef COTERIE_ROUTER_ENGINE_ENGINE_H_
#define COTERIE_ROUTER_ENGINE_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/parallel.h"
#include "router/engine/outage_wait.h"
#include "router/engine/sequence.h"
#include "router/engine/step.h"
#include "router/experts/worker_set.h"
#include "router/experts/worker_watch.h"
#include "router/kv/kv_cache.h"
#include "router/metrics.h"
#include "router/scheduler/scheduler.h"

namespace coterie {

class Engine {
 public:
  struct Options {
    int64_t max_sequences = 16;  // in prefill or decode at once
    int64_t max_queued = 256;
    int64_t max_queued_per_tenant = 256;
    int64_t max_context = 8192;                    // prompt and generated tokens of one request
    std::map<std::string, double> tenant_weights;  // 1 for those that are not named
    absl::Duration promote_after = absl::Seconds(30);
    // How long requests wait for an expert that no connected worker holds.
    absl::Duration expert_wait = absl::Seconds(30);
  };

  // None of the pointers is owned; all outlive this and are used by nobody else, metrics and
  // workers apart. Tokens of a step are drawn on `pool`, the one of the trunk.
  Engine(const ModelConfig* config, Options options, Step* step, KvCache* cache, WorkerSet* workers,
         RouterMetrics* metrics, Parallel* pool);
  ~Engine();  // Stop must have been called

  // `num_choices` answers to one request, whose n-th draws with seed + n. OutOfRange: the prompt
  // is longer than max_context. InvalidArgument: longer than the cache can ever hold.
  // ResourceExhausted, with RetryAfter: a queue is full. Unavailable: the engine stops. A request
  // without a home for one of its experts waits for it, then fails.
  // `drawn`: what is known of the answers of a request that goes on here, choice by choice; fewer
  // than its max_tokens. The streams begin after them. FailedPrecondition: there is no room for
  // its max_tokens here.
  absl::StatusOr<std::vector<std::shared_ptr<TokenStream>>> Submit(
      EngineRequest request, int64_t num_choices,
      const std::vector<std::vector<int32_t>>& drawn = {});
  absl::StatusOr<std::shared_ptr<TokenStream>> Submit(EngineRequest request) {
    auto streams = Submit(std::move(request), 1);
    if (!streams.ok()) return streams.status();
    return streams->front();
  }

  // Takes no new requests, finishes those in hand until `deadline`, fails the rest with
  // Unavailable, and joins the thread.
  void Stop(absl::Time deadline);

  // New requests are refused.
  bool is_stopping() const {
    std::lock_guard<std::mutex> lock(mu_);
    return stopping_;
  }

  const Options& options() const { return options_; }
  int64_t num_running() const { return num_running_; }
  int64_t num_queued() const { return num_waiting_; }

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  absl::Status CheckFits(EngineRequest* request) const;
  absl::Status CheckQueues(const std::string& tenant, int64_t num_choices) const;
  absl::Duration ExpectedWait() const;
  void Run();
  bool WaitForWork();
  void WaitForStore();
  void DropLeavers();
  bool Leaves(Sequence& sequence, absl::Time now);
  void RunStep();
  void Fail(Sequence* sequence, const absl::Status& status);
  void FailRunning(const absl::Status& status);
  // What comes of one sequence's logits. Nothing here depends on other sequences.
  struct Drawn {
    Sequence* sequence;
    std::span<float> logits;
    absl::StatusOr<int32_t> token = absl::UnknownError("not drawn");
    TokenLogprobs logprobs;  // when asked for
  };
  void Draw(Drawn* drawn);
  absl::StatusOr<int32_t> DrawToken(Sequence* sequence, std::span<float> logits);
  void TakeToken(Drawn* drawn);
  void CountToken(Sequence* sequence, absl::Time now);
  void Finish(Sequence* sequence, EndReason reason, const absl::Status& status,
              std::optional<int32_t> stop_id = std::nullopt);
  void NoLongerQueued(Sequence* sequence);
  void Publish();

  const ModelConfig* const config_;
  const Options options_;
  Step* const step_;
  KvCache* const cache_;
  RouterMetrics* const metrics_;
  Parallel* const pool_;
  std::atomic<int64_t> num_running_{0}, num_waiting_{0};
  std::atomic<uint64_t> num_submitted_{0};

  // The engine thread's own.
  WorkerWatch worker_watch_;
  Scheduler scheduler_;
  OutageWait outage_;
  std::vector<StepRow> rows_;
  std::vector<Drawn> drawn_;

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable arrived_;
  std::vector<SequencePtr> arrivals_;
  bool store_news_ = false;                          // something has come for one that is held back
  std::map<std::string, int64_t> queued_by_tenant_;  // those that have not started yet
  int64_t num_queued_ = 0;                           // all of them
  double seconds_per_request_ = 0.5;                 // between two that end, smoothed
  absl::Time last_end_ = absl::InfinitePast();
  bool stopping_ = false;
  absl::Time stop_deadline_ = absl::InfiniteFuture();

  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_ENGINE_H_

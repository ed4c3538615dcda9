// Engine: the one thread that owns trunk, cache and batch. Requests come in through a bounded
// queue, tokens leave through each request's TokenStream.
//
// A step is one prefill chunk of one sequence, or one token of every sequence in decode; the two
// kinds take turns, so that neither starves. A sequence is admitted when the cache can promise its
// worst case, in order of arrival. Whatever shares a step, a sequence's tokens are the same.
//
// Thread-safe: Submit and the counters by any thread.
#ifndef COTERIE_ROUTER_ENGINE_ENGINE_H_
#define COTERIE_ROUTER_ENGINE_ENGINE_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "router/engine/sequence.h"
#include "router/engine/step.h"
#include "router/experts/worker_set.h"
#include "router/kv/kv_cache.h"
#include "router/metrics.h"

namespace coterie {

class Engine {
 public:
  struct Options {
    int64_t max_sequences = 16;  // in prefill or decode at once
    int64_t max_queued = 256;
    int64_t max_context = 8192;  // prompt and generated tokens of one request
  };

  // None of the pointers is owned; all outlive this and are used by nobody else, metrics and
  // workers apart.
  Engine(const ModelConfig* config, Options options, Step* step, KvCache* cache, WorkerSet* workers,
         RouterMetrics* metrics);
  ~Engine();  // Stop must have been called

  // InvalidArgument: longer than max_context or than the cache can ever hold. ResourceExhausted:
  // the queue is full. Unavailable: the engine stops. A request without a home for one of its
  // experts fails in its first step.
  absl::StatusOr<std::shared_ptr<TokenStream>> Submit(EngineRequest request);

  // Takes no new requests, finishes those in hand until `deadline`, fails the rest with
  // Unavailable, and joins the thread.
  void Stop(absl::Time deadline);

  const Options& options() const { return options_; }
  int64_t num_running() const { return num_running_; }
  int64_t num_queued() const { return num_queued_; }

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  void Run();
  bool WaitForWork();
  void Admit();
  void DropLeavers();
  void PrefillChunk(Sequence* sequence);
  void DecodeAll();
  void RunStep(std::span<Sequence* const> sequences, prometheus::Histogram& seconds);
  void TakeToken(Sequence* sequence, std::span<const float> logits);
  void Finish(Sequence* sequence, EndReason reason, const absl::Status& status,
              std::optional<int32_t> stop_id = std::nullopt);
  RequestUsage UsageOf(const Sequence& sequence) const;
  void Publish();

  const ModelConfig* const config_;
  const Options options_;
  Step* const step_;
  KvCache* const cache_;
  WorkerSet* const workers_;
  RouterMetrics* const metrics_;
  std::atomic<int64_t> num_running_{0}, num_queued_{0};

  // The engine thread's own.
  std::vector<bool> worker_connected_;
  std::vector<SequencePtr> running_;
  std::vector<StepRow> rows_;
  bool prefill_next_ = true;

  std::mutex mu_;  // guards what follows
  std::condition_variable arrived_;
  std::deque<SequencePtr> queue_;
  bool stopping_ = false;
  absl::Time stop_deadline_ = absl::InfiniteFuture();

  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_ENGINE_H_

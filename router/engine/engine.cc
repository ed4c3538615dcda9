#include "router/engine/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

// How soon an idle router notices a worker that came or went.
constexpr std::chrono::milliseconds kIdleTick(500);
// How soon an engine that waits for a store alone looks after those who left.
constexpr absl::Duration kStoreTick = absl::Milliseconds(20);

}  // namespace

Engine::Engine(const ModelConfig* config, Options options, Step* step, KvCache* cache,
               WorkerSet* workers, RouterMetrics* metrics, Parallel* pool)
    : config_(config),
      options_(std::move(options)),
      step_(step),
      cache_(cache),
      metrics_(metrics),
      pool_(pool),
      worker_watch_(workers, metrics),
      scheduler_({.max_sequences = options_.max_sequences,
                  .prefill_chunk = cache->options().prefill_chunk,
                  .tenant_weights = options_.tenant_weights,
                  .promote_after = options_.promote_after},
                 cache),
      outage_(workers, options_.expert_wait) {
  metrics_->kv_budget_bytes.Set(static_cast<double>(cache_->options().budget_bytes));
  if (cache_->store() != nullptr) {
    cache_->store()->bell()->Listen([this] {
      std::lock_guard<std::mutex> lock(mu_);
      store_news_ = true;
      arrived_.notify_one();
    });
  }
  thread_ = std::thread([this] { Run(); });
}

Engine::~Engine() { CHECK(!thread_.joinable()) << "Stop was not called"; }

void Engine::Stop(absl::Time deadline) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
    stop_deadline_ = deadline;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (cache_->store() != nullptr) cache_->store()->bell()->Listen(nullptr);
}

void Engine::Run() {
  Publish();
  while (WaitForWork()) {
    DropLeavers();
    if (cache_->store() != nullptr) cache_->store()->Collect();
    scheduler_.Admit(MonotonicNow());
    Publish();
    WaitForStore();
    RunStep();
    DropLeavers();
    if (scheduler_.empty()) outage_.End();
    Publish();
  }
}

// False when the engine is to end: everything in hand is finished, or the deadline has passed.
bool Engine::WaitForWork() {
  std::unique_lock<std::mutex> lock(mu_);
  // An idle router looks after its workers all the same.
  while (scheduler_.empty() &&
         !arrived_.wait_for(lock, kIdleTick, [&] { return stopping_ || !arrivals_.empty(); })) {
    lock.unlock();
    Publish();
    lock.lock();
  }
  for (SequencePtr& sequence : std::exchange(arrivals_, {})) scheduler_.Add(std::move(sequence));
  if (!stopping_) return true;
  if (scheduler_.empty()) return false;
  if (MonotonicNow() < stop_deadline_) return true;
  lock.unlock();
  const absl::Status status =
      absl::UnavailableError("this router was stopped before the request was finished");
  const auto fail = [&](Sequence& sequence) {
    if (!sequence.finished) Finish(&sequence, EndReason::kFailed, status);
    return true;
  };
  scheduler_.RemoveIf(fail, MonotonicNow());
  return false;
}

// Where nothing runs, and those that could are held back, there is nothing to do until then.
void Engine::WaitForStore() {
  if (scheduler_.num_running() > 0) return;
  const absl::Duration left = scheduler_.HeldUntil() - MonotonicNow();
  if (left == absl::InfiniteDuration() || left <= absl::ZeroDuration()) return;
  std::unique_lock<std::mutex> lock(mu_);
  arrived_.wait_for(lock, absl::ToChronoNanoseconds(std::min(left, kStoreTick)),
                    [&] { return store_news_ || !arrivals_.empty(); });
  store_news_ = false;
}

// Sequences that were finished, cancelled or are late leave before the next step, and their memory
// with them.
void Engine::DropLeavers() {
  const absl::Time now = MonotonicNow();
  scheduler_.RemoveIf([&](Sequence& sequence) { return Leaves(sequence, now); }, now);
}

bool Engine::Leaves(Sequence& sequence, absl::Time now) {
  if (sequence.finished) return true;
  const bool waits = sequence.started == absl::InfinitePast();
  if (sequence.stream->cancelled()) {
    Finish(&sequence, EndReason::kFailed,
           absl::CancelledError(waits ? "cancelled while waiting" : "cancelled by the client"));
  } else if (now >= sequence.request.deadline) {
    Finish(
        &sequence, EndReason::kFailed,
        absl::DeadlineExceededError(
            waits                 ? "the deadline passed while waiting"
            : outage_.under_way() ? absl::StrCat("the deadline passed while the request waited: ",
                                                 outage_.status().message())
                                  : "the deadline passed"));
  }
  return sequence.finished;
}

// A failed step ends every sequence in it; one that failed for want of an expert is run again: what
// it has written to the cache is written again, the same.
void Engine::RunStep() {
  if (outage_.Lasts()) {
    if (outage_.IsOver()) FailRunning(outage_.status());
    return;
  }
  const std::vector<Scheduler::Part>& parts = scheduler_.Plan(MonotonicNow());
  if (parts.empty()) return;
  rows_.clear();
  int64_t num_prompt_rows = 0;
  for (const auto& [sequence, begin, end] : parts) {
    const auto last = static_cast<int64_t>(sequence->tokens.size()) - 1;
    if (end - begin > 1 || end <= last) num_prompt_rows += end - begin;
    for (int64_t position = begin; position < end; ++position) {
      rows_.push_back({sequence->tokens[static_cast<size_t>(position)], position,
                       sequence->kv.get(), position == last});
    }
  }
  const auto gone = [](const Sequence& sequence) {
    return sequence.stream->cancelled() || MonotonicNow() >= sequence.request.deadline;
  };
  const absl::Time start = MonotonicNow();
  const absl::StatusOr<Tensor> logits = step_->Run(rows_, [&] {
    return std::all_of(parts.begin(), parts.end(),
                       [&](const Scheduler::Part& part) { return gone(*part.sequence); });
  });
  const absl::Duration took = MonotonicNow() - start;
  metrics_->CountStep(static_cast<int64_t>(rows_.size()), num_prompt_rows,
                      absl::ToDoubleSeconds(took));
  if (cache_->store() != nullptr) cache_->store()->ObservePrefill(num_prompt_rows, took);
  if (!logits.ok()) {
    if (const auto missing = MissingExpert(logits.status())) {
      outage_.Begin(*missing, logits.status());
      if (outage_.IsOver()) FailRunning(logits.status());
      return;
    }
    for (const Scheduler::Part& part : parts) {
      // Those who left get their own reason in DropLeavers.
      if (!gone(*part.sequence)) Fail(part.sequence, logits.status());
    }
    return;
  }
  outage_.End();
  drawn_.clear();
  const absl::Time computed = MonotonicNow();
  for (const Scheduler::Part& part : parts) {
    scheduler_.Computed(part, computed);
    if (part.end < static_cast<int64_t>(part.sequence->tokens.size())) continue;
    const auto row = static_cast<int64_t>(drawn_.size());
    drawn_.push_back({part.sequence, {logits->row(row), static_cast<size_t>(config_->vocab_size)}});
  }
  pool_->For(static_cast<int64_t>(drawn_.size()),
             [&](int64_t i) { Draw(&drawn_[static_cast<size_t>(i)]); });
  for (Drawn& drawn : drawn_) {
    TakeToken(&drawn);
    scheduler_.ReleaseSiblings(drawn.sequence);
  }
}

void Engine::Fail(Sequence* sequence, const absl::Status& status) {
  LogWarning("request failed", {{"request", sequence->request.id}, {"reason", status.message()}});
  Finish(sequence, EndReason::kFailed, status);
}

void Engine::FailRunning(const absl::Status& status) {
  for (const SequencePtr& sequence : scheduler_.running()) {
    if (!sequence->finished) Fail(sequence.get(), status);
  }
}

void Engine::Draw(Drawn* drawn) {
  const int64_t num_logprobs = drawn->sequence->request.num_logprobs;
  if (num_logprobs == 0) {
    drawn->token = DrawToken(drawn->sequence, drawn->logits);
    return;
  }
  // Logprobs are those of the model, whatever penalties and grammar make of them.
  const std::vector<float> raw(drawn->logits.begin(), drawn->logits.end());
  drawn->token = DrawToken(drawn->sequence, drawn->logits);
  if (drawn->token.ok()) drawn->logprobs = ComputeLogprobs(raw, *drawn->token, num_logprobs - 1);
}

// The next token: forced by a rail, or drawn from what rules and constraint leave.
absl::StatusOr<int32_t> Engine::DrawToken(Sequence* sequence, std::span<float> logits) {
  if (const std::optional<int32_t> forced = sequence->rails.Forced()) {
    metrics_->thinking_cut.Increment();
    return *forced;
  }
  TokenConstraint* const constraint = sequence->constraint.get();
  const bool constrained = constraint != nullptr && constraint->active();
  const bool hold_stops = constraint == nullptr || !constraint->decides_end();
  if (!sequence->rules.empty()) sequence->rules.Apply(logits, hold_stops);
  if (constrained) constraint->Apply(logits);
  return sequence->sampler.Sample(logits);
}

void Engine::TakeToken(Drawn* drawn) {
  Sequence* const sequence = drawn->sequence;
  const EngineRequest& request = sequence->request;
  CountToken(sequence, MonotonicNow());
  if (!drawn->token.ok()) return Finish(sequence, EndReason::kFailed, drawn->token.status());
  const int32_t token = *drawn->token;
  if (sequence->constraint != nullptr) sequence->constraint->Append(token);
  if (std::find(request.stop_ids.begin(), request.stop_ids.end(), token) != request.stop_ids.end())
    return Finish(sequence, EndReason::kStopToken, absl::OkStatus(), token);
  sequence->tokens.push_back(token);
  if (request.log != nullptr) request.log->Append(sequence->choice, token);
  sequence->rules.Append(token);
  const Rails::Verdict verdict = sequence->rails.Append(token);
  metrics_->generated_tokens.Increment();
  sequence->stream->Put({.id = token,
                         .logprobs = std::move(drawn->logprobs),
                         .usage = sequence->Usage(MonotonicNow())});
  if (verdict == Rails::Verdict::kToolLoop) {
    Finish(sequence, EndReason::kToolLoop, absl::OkStatus());
  } else if (verdict == Rails::Verdict::kRepetition) {
    Finish(sequence, EndReason::kRepetition, absl::OkStatus());
  } else if (sequence->num_generated() >= request.max_tokens) {
    Finish(sequence, EndReason::kLength, absl::OkStatus());
  }
}

void Engine::CountToken(Sequence* sequence, absl::Time now) {
  if (sequence->prefilled == absl::InfinitePast()) {
    sequence->prefilled = now;
    metrics_->prompt_tokens.Increment(static_cast<double>(sequence->num_prompt()));
    metrics_->cached_tokens.Increment(static_cast<double>(sequence->num_cached));
    metrics_->time_to_first_token_seconds.Observe(absl::ToDoubleSeconds(now - sequence->arrived));
  } else {
    metrics_->time_per_token_seconds.Observe(absl::ToDoubleSeconds(now - sequence->last_token));
  }
  sequence->last_token = now;
}

void Engine::Finish(Sequence* sequence, EndReason reason, const absl::Status& status,
                    std::optional<int32_t> stop_id) {
  sequence->finished = true;
  {
    std::lock_guard<std::mutex> lock(mu_);
    const absl::Time now = MonotonicNow();
    if (reason != EndReason::kFailed) {
      const double gap = last_end_ == absl::InfinitePast() ? seconds_per_request_
                                                           : absl::ToDoubleSeconds(now - last_end_);
      seconds_per_request_ += 0.1 * (std::clamp(gap, 0.0, 60.0) - seconds_per_request_);
      last_end_ = now;
    }
  }
  NoLongerQueued(sequence);
  sequence->stream->End({.reason = reason,
                         .status = status,
                         .stop_id = stop_id,
                         .usage = sequence->Usage(MonotonicNow())});
}

void Engine::NoLongerQueued(Sequence* sequence) {
  if (!std::exchange(sequence->queued, false)) return;
  std::lock_guard<std::mutex> lock(mu_);
  --num_queued_;
  const auto own = queued_by_tenant_.find(sequence->request.tenant);
  if (--own->second == 0) queued_by_tenant_.erase(own);
}

void Engine::Publish() {
  for (const SequencePtr& sequence : scheduler_.running()) {
    if (!sequence->queued) continue;
    metrics_->queue_wait_seconds.Observe(
        absl::ToDoubleSeconds(sequence->started - sequence->arrived));
    NoLongerQueued(sequence.get());
  }
  metrics_->SetRequests(scheduler_.num_running(), scheduler_.num_waiting());
  metrics_->SetKv({.sliding_bytes = cache_->sliding_bytes(),
                   .global_bytes = cache_->global_bytes(),
                   .held_bytes = cache_->held_bytes(),
                   .budget_bytes = cache_->options().budget_bytes,
                   .num_evicted = cache_->index().num_evicted(),
                   .num_yields = scheduler_.num_yields()});
  num_running_ = scheduler_.num_running();
  num_waiting_ = scheduler_.num_waiting();
  metrics_->expert_outage_seconds.Increment(absl::ToDoubleSeconds(outage_.TakeWaited()));
  worker_watch_.Look();
}

}  // namespace coterie

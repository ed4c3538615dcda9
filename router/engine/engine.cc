#include "router/engine/engine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

using Clock = Sequence::Clock;

// How soon an idle router notices a worker that came or went.
constexpr std::chrono::milliseconds kIdleTick(500);

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Engine::Engine(const ModelConfig* config, Options options, Step* step, KvCache* cache,
               WorkerSet* workers, RouterMetrics* metrics)
    : config_(config),
      options_(options),
      step_(step),
      cache_(cache),
      workers_(workers),
      metrics_(metrics) {
  metrics_->kv_budget_bytes.Set(static_cast<double>(cache_->options().budget_bytes));
  thread_ = std::thread([this] { Run(); });
}

Engine::~Engine() { CHECK(!thread_.joinable()) << "Stop was not called"; }

absl::StatusOr<std::shared_ptr<TokenStream>> Engine::Submit(EngineRequest request) {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  CHECK_GT(prompt, 0);
  if (prompt >= options_.max_context) {
    return absl::InvalidArgumentError(
        absl::StrCat("the prompt has ", prompt, " tokens; this router takes at most ",
                     options_.max_context - 1, " so that one can be generated (--max_context)"));
  }
  request.max_tokens = std::min(request.max_tokens, options_.max_context - prompt);
  const int64_t bytes = cache_->BytesFor(prompt + request.max_tokens);
  if (bytes > cache_->options().budget_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "prompt and max_tokens take up to ", bytes, " bytes of KV cache, this router has ",
        cache_->options().budget_bytes, " (--kv_bytes): ask for fewer tokens"));
  }
  auto stream = std::make_shared<TokenStream>();
  auto sequence = std::make_unique<Sequence>(std::move(request), stream);
  std::lock_guard<std::mutex> lock(mu_);
  if (stopping_)
    return absl::UnavailableError("this router is draining; another may serve the request");
  if (static_cast<int64_t>(queue_.size()) >= options_.max_queued) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the queue is full with ", queue_.size(), " requests; try again later"));
  }
  queue_.push_back(std::move(sequence));
  num_queued_ = static_cast<int64_t>(queue_.size());
  arrived_.notify_one();
  return stream;
}

void Engine::Stop(absl::Time deadline) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
    stop_deadline_ = deadline;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Engine::Run() {
  Publish();
  while (WaitForWork()) {
    Admit();
    DropLeavers();
    Publish();
    const auto in_prefill = [](const SequencePtr& s) { return s->in_prefill(); };
    const auto prefill = std::find_if(running_.begin(), running_.end(), in_prefill);
    const bool any_decode = !std::all_of(running_.begin(), running_.end(), in_prefill);
    if (prefill != running_.end() && (prefill_next_ || !any_decode)) {
      prefill_next_ = false;
      PrefillChunk(prefill->get());
    } else if (any_decode) {
      prefill_next_ = true;
      DecodeAll();
    }
    DropLeavers();
    Publish();
  }
}

// False when the engine is to end: everything in hand is finished, or the deadline has passed.
bool Engine::WaitForWork() {
  std::unique_lock<std::mutex> lock(mu_);
  // An idle router looks after its workers all the same.
  while (running_.empty() &&
         !arrived_.wait_for(lock, kIdleTick, [&] { return stopping_ || !queue_.empty(); })) {
    lock.unlock();
    Publish();
    lock.lock();
  }
  if (!stopping_) return true;
  if (running_.empty() && queue_.empty()) return false;
  if (absl::Now() < stop_deadline_) return true;
  const absl::Status status =
      absl::UnavailableError("this router was stopped before the request was finished");
  for (SequencePtr& sequence : running_) Finish(sequence.get(), EndReason::kFailed, status);
  for (SequencePtr& sequence : queue_) Finish(sequence.get(), EndReason::kFailed, status);
  running_.clear();
  queue_.clear();
  return false;
}

void Engine::Admit() {
  std::lock_guard<std::mutex> lock(mu_);
  // Those that left while waiting go first, wherever they stand.
  std::erase_if(queue_, [&](SequencePtr& sequence) {
    if (sequence->stream->cancelled())
      Finish(sequence.get(), EndReason::kFailed, absl::CancelledError("cancelled while waiting"));
    else if (absl::Now() >= sequence->request.deadline)
      Finish(sequence.get(), EndReason::kFailed,
             absl::DeadlineExceededError("the deadline passed while waiting"));
    else
      return false;
    return true;
  });
  while (!queue_.empty() && static_cast<int64_t>(running_.size()) < options_.max_sequences) {
    Sequence& sequence = *queue_.front();
    sequence.kv =
        cache_->Reserve(static_cast<int64_t>(sequence.tokens.size()) + sequence.request.max_tokens);
    if (sequence.kv == nullptr) break;
    sequence.started = Clock::now();
    metrics_->queue_wait_seconds.Observe(Seconds(sequence.started - sequence.arrived));
    running_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  num_queued_ = static_cast<int64_t>(queue_.size());
}

// Sequences that were finished, cancelled or are late leave before the next step, and their memory
// with them.
void Engine::DropLeavers() {
  std::erase_if(running_, [&](SequencePtr& sequence) {
    if (sequence->finished) return true;
    if (sequence->stream->cancelled())
      Finish(sequence.get(), EndReason::kFailed, absl::CancelledError("cancelled by the client"));
    else if (absl::Now() >= sequence->request.deadline)
      Finish(sequence.get(), EndReason::kFailed,
             absl::DeadlineExceededError("the deadline passed"));
    else
      return false;
    return true;
  });
}

void Engine::PrefillChunk(Sequence* sequence) {
  const auto prompt = static_cast<int64_t>(sequence->request.prompt.size());
  const int64_t begin = sequence->num_cached,
                end = std::min(prompt, begin + cache_->options().prefill_chunk);
  sequence->kv->Grow(end);
  rows_.clear();
  for (int64_t position = begin; position < end; ++position) {
    rows_.push_back({sequence->tokens[static_cast<size_t>(position)], position, sequence->kv.get(),
                     position == prompt - 1});
  }
  RunStep({&sequence, 1}, metrics_->prefill_step_seconds);
}

void Engine::DecodeAll() {
  std::vector<Sequence*> sequences;
  rows_.clear();
  for (const SequencePtr& sequence : running_) {
    if (sequence->in_prefill()) continue;
    const int64_t position = sequence->num_cached;
    sequence->kv->Grow(position + 1);
    rows_.push_back({sequence->tokens.back(), position, sequence->kv.get(), true});
    sequences.push_back(sequence.get());
  }
  RunStep(sequences, metrics_->decode_step_seconds);
}

// Runs rows_ and hands each sequence its logits. A failed step ends every sequence in it: their
// caches hold half a step.
void Engine::RunStep(std::span<Sequence* const> sequences, prometheus::Histogram& seconds) {
  const auto cancelled = [&] {
    return std::all_of(sequences.begin(), sequences.end(), [](const Sequence* s) {
      return s->stream->cancelled() || absl::Now() >= s->request.deadline;
    });
  };
  const auto start = Clock::now();
  const absl::StatusOr<Tensor> logits = step_->Run(rows_, cancelled);
  seconds.Observe(Seconds(Clock::now() - start));
  if (!logits.ok()) {
    for (Sequence* sequence : sequences) {
      // Those who left get their own reason in DropLeavers.
      if (sequence->stream->cancelled() || absl::Now() >= sequence->request.deadline) continue;
      LogWarning("request failed",
                 {{"request", sequence->request.id}, {"reason", logits.status().message()}});
      Finish(sequence, EndReason::kFailed, logits.status());
    }
    return;
  }
  int64_t logit_row = 0;
  size_t row = 0;
  for (Sequence* sequence : sequences) {
    for (; row < rows_.size() && rows_[row].kv == sequence->kv.get(); ++row) {
      ++sequence->num_cached;
      if (!rows_[row].wants_logits) continue;
      TakeToken(sequence, {logits->row(logit_row++), static_cast<size_t>(config_->vocab_size)});
    }
  }
}

void Engine::TakeToken(Sequence* sequence, std::span<const float> logits) {
  const auto now = Clock::now();
  if (sequence->num_generated() == 0) {
    sequence->prefilled = now;
    metrics_->prompt_tokens.Increment(static_cast<double>(sequence->request.prompt.size()));
    metrics_->time_to_first_token_seconds.Observe(Seconds(now - sequence->arrived));
  } else {
    metrics_->time_per_token_seconds.Observe(Seconds(now - sequence->last_token));
  }
  sequence->last_token = now;
  const absl::StatusOr<int32_t> token = sequence->sampler.Sample(logits);
  if (!token.ok()) return Finish(sequence, EndReason::kFailed, token.status());
  const std::vector<int32_t>& stop_ids = sequence->request.stop_ids;
  if (std::find(stop_ids.begin(), stop_ids.end(), *token) != stop_ids.end())
    return Finish(sequence, EndReason::kStopToken, absl::OkStatus(), *token);
  sequence->tokens.push_back(*token);
  metrics_->generated_tokens.Increment();
  TokenEvent event{.id = *token, .logprobs = {}, .usage = UsageOf(*sequence)};
  if (sequence->request.num_logprobs > 0)
    event.logprobs = ComputeLogprobs(logits, *token, sequence->request.num_logprobs - 1);
  sequence->stream->Put(std::move(event));
  if (sequence->num_generated() >= sequence->request.max_tokens)
    Finish(sequence, EndReason::kLength, absl::OkStatus());
}

// What the request has taken so far.
RequestUsage Engine::UsageOf(const Sequence& sequence) const {
  const auto now = Clock::now();
  RequestUsage usage{.prompt_tokens = static_cast<int64_t>(sequence.request.prompt.size()),
                     .generated_tokens = sequence.num_generated()};
  const bool started = sequence.kv != nullptr,
             prefilled = sequence.prefilled != Clock::time_point();
  usage.queue_seconds = Seconds((started ? sequence.started : now) - sequence.arrived);
  if (started)
    usage.prefill_seconds = Seconds((prefilled ? sequence.prefilled : now) - sequence.started);
  if (prefilled) usage.decode_seconds = Seconds(now - sequence.prefilled);
  return usage;
}

void Engine::Finish(Sequence* sequence, EndReason reason, const absl::Status& status,
                    std::optional<int32_t> stop_id) {
  const RequestUsage usage = UsageOf(*sequence);
  sequence->kv.reset();
  sequence->finished = true;
  sequence->stream->End({.reason = reason, .status = status, .stop_id = stop_id, .usage = usage});
}

// Gauges, and one line for a worker that came or went.
void Engine::Publish() {
  num_running_ = static_cast<int64_t>(running_.size());
  metrics_->running.Set(static_cast<double>(running_.size()));
  metrics_->queued.Set(static_cast<double>(num_queued_));
  metrics_->kv_used_bytes.Set(static_cast<double>(cache_->used_bytes()));
  metrics_->kv_reserved_bytes.Set(static_cast<double>(cache_->reserved_bytes()));
  const std::vector<WorkerSet::Worker> workers = workers_->Describe();
  worker_connected_.resize(workers.size(), true);  // they were when the engine was made
  for (size_t i = 0; i < workers.size(); ++i) {
    metrics_->SetConnected(static_cast<int>(i), workers[i].connected);
    if (worker_connected_[i] == workers[i].connected) continue;
    worker_connected_[i] = workers[i].connected;
    workers[i].connected ? LogInfo("worker is back", {{"address", workers[i].name}})
                         : LogWarning("worker lost", {{"address", workers[i].name},
                                                      {"reason", workers[i].status.message()}});
  }
}

}  // namespace coterie

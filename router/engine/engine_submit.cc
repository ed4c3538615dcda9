// How requests come to the engine: judged, and queued or refused. By any thread.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "router/engine/engine.h"
#include "router/engine/retry_after.h"

namespace coterie {
namespace {

// What a refused caller should wait at least, and is told to wait at most.
constexpr absl::Duration kRetryAfterMin = absl::Milliseconds(500),
                         kRetryAfterMax = absl::Seconds(60);

}  // namespace

absl::Status Engine::CheckFits(EngineRequest* request) const {
  const auto prompt = static_cast<int64_t>(request->prompt.size());
  CHECK_GT(prompt, 0);
  if (prompt >= options_.max_context) {
    return absl::OutOfRangeError(
        absl::StrCat("the prompt has ", prompt, " tokens; this router takes at most ",
                     options_.max_context - 1, " so that one can be generated (--max_context)"));
  }
  const int64_t wanted = request->max_tokens;
  const bool open_end = wanted == 0;
  const int64_t room = options_.max_context - prompt;
  request->max_tokens = open_end ? room : std::min(request->max_tokens, room);
  if (open_end) {
    const int64_t blocks = cache_->BlocksWithin(cache_->options().budget_bytes);
    request->max_tokens =
        std::clamp<int64_t>(blocks * kKvBlockTokens - prompt, 1, request->max_tokens);
  }
  if (request->goes_on && request->max_tokens != wanted) {
    return absl::FailedPreconditionError(
        absl::StrCat("the request was begun with room for ", wanted, " tokens after its prompt of ",
                     prompt, "; this router has room for ", request->max_tokens,
                     " (--max_context): resume it on one with as much"));
  }
  const int64_t bytes = cache_->BytesFor(prompt + request->max_tokens);
  if (bytes > cache_->options().budget_bytes) {
    const std::string found = absl::StrCat("prompt and max_tokens take up to ", bytes,
                                           " bytes of KV cache, this router has ",
                                           cache_->options().budget_bytes, " (--kv_bytes): ");
    if (request->goes_on)
      return absl::FailedPreconditionError(absl::StrCat(found, "resume it on one with as much"));
    return absl::InvalidArgumentError(absl::StrCat(found, "ask for fewer tokens"));
  }
  return absl::OkStatus();
}

absl::Duration Engine::ExpectedWait() const {
  const absl::Duration wait =
      absl::Seconds(seconds_per_request_ * static_cast<double>(num_queued_));
  return std::clamp(wait, kRetryAfterMin, kRetryAfterMax);
}

absl::Status Engine::CheckQueues(const std::string& tenant, int64_t num_choices) const {
  const int64_t most = std::min(options_.max_queued, options_.max_queued_per_tenant);
  if (num_choices > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_choices (n) is ", num_choices, ", this router lets ", most,
                     " answers wait (--max_queued, --max_queued_per_tenant)"));
  }
  if (stopping_)
    return WithRetryAfter(
        absl::UnavailableError("this router is draining; another may serve the request"),
        kRetryAfterMin);
  if (num_queued_ + num_choices > options_.max_queued) {
    return WithRetryAfter(
        absl::ResourceExhaustedError(absl::StrCat("the queue is full: ", num_queued_, " of ",
                                                  options_.max_queued, " answers wait; try later")),
        ExpectedWait());
  }
  const auto own = queued_by_tenant_.find(tenant);
  const int64_t waiting = own == queued_by_tenant_.end() ? 0 : own->second;
  if (waiting + num_choices > options_.max_queued_per_tenant) {
    return WithRetryAfter(absl::ResourceExhaustedError(
                              absl::StrCat(waiting, " answers of this tenant wait already, ",
                                           options_.max_queued_per_tenant, " may; try later")),
                          ExpectedWait());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::shared_ptr<TokenStream>>> Engine::Submit(
    EngineRequest request, int64_t num_choices, const std::vector<std::vector<int32_t>>& drawn) {
  CHECK_GT(num_choices, 0);
  RETURN_IF_ERROR(CheckFits(&request));
  {
    // Nothing is looked up for those who are refused.
    std::lock_guard<std::mutex> lock(mu_);
    RETURN_IF_ERROR(CheckQueues(request.tenant, num_choices));
  }
  // The prompts are copied before the lock is taken: they may be long, and the engine waits for it.
  const absl::Time now = MonotonicNow();
  const std::string tenant = request.tenant;
  const std::shared_ptr<TokenLog> log = request.log;
  const int64_t max_tokens = request.max_tokens;
  std::vector<std::shared_ptr<TokenStream>> streams;
  SequencePtr first;
  for (int64_t choice = 0; choice < num_choices; ++choice) {
    EngineRequest own = request;
    own.sampling.seed += static_cast<uint64_t>(choice);
    const auto index = static_cast<size_t>(choice);
    std::span<const int32_t> known;
    if (index < drawn.size()) known = drawn[index];
    CHECK_LT(static_cast<int64_t>(known.size()), max_tokens);
    auto sequence = std::make_unique<Sequence>(std::move(own), num_submitted_++, now, index, known);
    streams.push_back(sequence->stream);
    if (first == nullptr)
      first = std::move(sequence);
    else
      first->siblings.push_back(std::move(sequence));
  }
  first->store_fetch = cache_->Lookup(tenant, first->tokens, first->request.goes_on);
  std::lock_guard<std::mutex> lock(mu_);
  RETURN_IF_ERROR(CheckQueues(tenant, num_choices));
  if (log != nullptr) log->Accepted(max_tokens);
  num_queued_ += num_choices;
  queued_by_tenant_[tenant] += num_choices;
  arrivals_.push_back(std::move(first));
  arrived_.notify_one();
  return streams;
}

}  // namespace coterie

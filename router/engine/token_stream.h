// TokenStream: what the engine has generated for one sequence, on its way to the front end. The
// engine puts and never waits; the front end takes, and may cancel at any moment. Bounded by the
// request's max_tokens.
//
// Thread-safe: one putter, one taker.
#ifndef COTERIE_ROUTER_ENGINE_TOKEN_STREAM_H_
#define COTERIE_ROUTER_ENGINE_TOKEN_STREAM_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "router/sampling/sampler.h"

namespace coterie {

enum class EndReason {
  kStopToken,
  kLength,      // max_tokens
  kRepetition,  // a rail: the answer repeats itself
  kToolLoop,    // a rail: the same call once more
  kFailed,
};

struct RequestUsage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, not computed again
  int64_t generated_tokens = 0;
  int64_t reasoning_tokens = 0;  // of those
  double queue_seconds = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

struct TokenEvent {
  int32_t id = 0;
  TokenLogprobs logprobs;  // when asked for
  RequestUsage usage;      // up to this token
};

struct EndEvent {
  EndReason reason = EndReason::kFailed;
  absl::Status status;             // of kFailed
  std::optional<int32_t> stop_id;  // of kStopToken
  RequestUsage usage;
};

class TokenStream {
 public:
  void Put(TokenEvent event) {
    std::lock_guard<std::mutex> lock(mu_);
    tokens_.push_back(std::move(event));
    Notify();
  }
  void End(EndEvent event) {
    std::lock_guard<std::mutex> lock(mu_);
    end_ = std::move(event);
    Notify();
  }

  // The next token, or nullopt at the end or when `patience` has passed: look at ended().
  std::optional<TokenEvent> Next(absl::Duration patience) {
    std::unique_lock<std::mutex> lock(mu_);
    const auto until = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience);
    changed_.wait_until(lock, until, [&] { return !tokens_.empty() || end_.has_value(); });
    return TakeFront();
  }
  // The next token that is there now.
  std::optional<TokenEvent> TryNext() {
    std::lock_guard<std::mutex> lock(mu_);
    return TakeFront();
  }
  // Set once every token has been taken.
  std::optional<EndEvent> ended() {
    std::lock_guard<std::mutex> lock(mu_);
    return tokens_.empty() ? end_ : std::nullopt;
  }

  // Called whenever something has come, by the thread that put it, and now if something is there.
  // Must be quick and must not call back into the stream. Null: nobody listens any more; once this
  // has returned, the former listener is not called again.
  void SetListener(std::function<void()> listener) {
    std::lock_guard<std::mutex> lock(mu_);
    listener_ = std::move(listener);
    if (listener_ && (!tokens_.empty() || end_.has_value())) listener_();
  }

  void Cancel() { cancelled_ = true; }
  bool cancelled() const { return cancelled_; }

 private:
  // Requires mu_.
  void Notify() {
    changed_.notify_one();
    if (listener_) listener_();
  }
  std::optional<TokenEvent> TakeFront() {
    if (tokens_.empty()) return std::nullopt;
    TokenEvent event = std::move(tokens_.front());
    tokens_.pop_front();
    return event;
  }

  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<TokenEvent> tokens_;
  std::optional<EndEvent> end_;
  std::function<void()> listener_;
  std::atomic<bool> cancelled_{false};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_ENGINE_TOKEN_STREAM_H_

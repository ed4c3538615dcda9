#include "router/http/outgoing.h"

#include <utility>

#include "absl/time/clock.h"
#include "router/http/response_head.h"

namespace coterie {
namespace {

// An idle stream holds two such buffers.
constexpr size_t kKeptCapacity = 4 << 10;

}  // namespace

Outgoing::Outgoing(size_t stream_buffer_bytes, std::function<void(Wake)> wake)
    : stream_buffer_bytes_(stream_buffer_bytes), wake_(std::move(wake)) {}

uint64_t Outgoing::Open(AnswerTerms terms) {
  std::lock_guard lock(mu_);
  phase_ = Phase::kAwaited;
  terms_ = terms;
  terms_.keep_alive &= !let_be_last_;
  return ++ticket_;
}

void Outgoing::Take(std::string* bytes) {
  std::lock_guard lock(mu_);
  flush_due_ = false;
  if (phase_ == Phase::kDropped) return;
  bytes->swap(pending_);
  in_flight_bytes_ += bytes->size();
  if (pending_.capacity() > kKeptCapacity) std::string().swap(pending_);
}

void Outgoing::Sent(size_t num_bytes) {
  std::lock_guard lock(mu_);
  in_flight_bytes_ -= num_bytes;
}

bool Outgoing::Finish() {
  std::lock_guard lock(mu_);
  if (phase_ != Phase::kEnded || buffered() != 0) return false;
  phase_ = Phase::kIdle;
  return true;
}

bool Outgoing::ended() const {
  std::lock_guard lock(mu_);
  return phase_ == Phase::kEnded || phase_ == Phase::kIdle;
}

bool Outgoing::keep_alive() const {
  std::lock_guard lock(mu_);
  return terms_.keep_alive;
}

void Outgoing::LetAnswersBeLast() {
  std::lock_guard lock(mu_);
  let_be_last_ = true;
  if (phase_ == Phase::kAwaited) terms_.keep_alive = false;
}

void Outgoing::Interim(absl::string_view bytes) {
  std::lock_guard lock(mu_);
  Append(bytes);
  Flush();
}

Outgoing::Closed Outgoing::Close() {
  std::lock_guard lock(mu_);
  const bool unfinished = phase_ != Phase::kIdle && phase_ != Phase::kEnded;
  phase_ = Phase::kClosed;
  std::string().swap(pending_);
  in_flight_bytes_ = 0;
  return {unfinished, std::exchange(on_closed_, nullptr)};
}

bool Outgoing::Send(uint64_t ticket, const ReplyHead& head, absl::string_view body) {
  std::function<void()> let_go;  // destroyed without the lock: it may hold the reply
  std::lock_guard lock(mu_);
  if (!Is(ticket, Phase::kAwaited)) return false;
  const bool has_body = StatusHasBody(head.status);
  const ResponseForm form = {.body_end = has_body ? BodyEnd::kLength : BodyEnd::kNoBody,
                             .body_bytes = body.size(),
                             .keep_alive = terms_.keep_alive};
  Append(FormatResponseHead(head, form, absl::Now()));
  if (has_body && !terms_.to_head) Append(body);
  phase_ = Phase::kEnded;
  let_go.swap(on_closed_);
  Flush();
  return true;
}

bool Outgoing::Begin(uint64_t ticket, const ReplyHead& head) {
  std::lock_guard lock(mu_);
  if (!Is(ticket, Phase::kAwaited)) return false;
  terms_.keep_alive &= !terms_.http_1_0;
  const ResponseForm form = {
      .body_end = terms_.http_1_0 ? BodyEnd::kConnection : BodyEnd::kLastChunk,
      .keep_alive = terms_.keep_alive};
  Append(FormatResponseHead(head, form, absl::Now()));
  phase_ = Phase::kStreaming;
  Flush();
  return true;
}

bool Outgoing::Write(uint64_t ticket, absl::string_view bytes) {
  std::lock_guard lock(mu_);
  if (!Is(ticket, Phase::kStreaming)) return false;
  if (bytes.empty() || terms_.to_head) return true;
  if (buffered() + bytes.size() > stream_buffer_bytes_) {
    overflowed_ = true;
    Drop();
    return false;
  }
  if (terms_.http_1_0) {
    Append(bytes);
  } else {
    AppendChunk(bytes, &pending_);
  }
  Flush();
  return true;
}

bool Outgoing::End(uint64_t ticket) {
  std::function<void()> let_go;
  std::lock_guard lock(mu_);
  if (!Is(ticket, Phase::kStreaming)) return false;
  if (!terms_.http_1_0 && !terms_.to_head) Append(kLastChunk);
  phase_ = Phase::kEnded;
  let_go.swap(on_closed_);
  Flush();
  return true;
}

bool Outgoing::Abandon(uint64_t ticket) {
  std::lock_guard lock(mu_);
  if (Is(ticket, Phase::kStreaming)) Drop();
  return Is(ticket, Phase::kAwaited);
}

void Outgoing::OnClosed(uint64_t ticket, std::function<void()> closed) {
  {
    std::lock_guard lock(mu_);
    if (ticket != ticket_ || phase_ == Phase::kEnded || phase_ == Phase::kIdle) return;
    if (phase_ != Phase::kClosed) {
      on_closed_.swap(closed);
      return;
    }
  }
  closed();
}

bool Outgoing::WhileOpen(const std::function<void()>& post) {
  std::lock_guard lock(mu_);
  if (phase_ == Phase::kClosed) return false;
  post();
  return true;
}

size_t Outgoing::buffered_bytes(uint64_t ticket) const {
  std::lock_guard lock(mu_);
  return ticket == ticket_ ? buffered() : 0;
}

bool Outgoing::overflowed() const {
  std::lock_guard lock(mu_);
  return overflowed_;
}

void Outgoing::Append(absl::string_view bytes) { pending_.append(bytes.data(), bytes.size()); }

void Outgoing::Flush() {
  if (!std::exchange(flush_due_, true)) wake_(Wake::kFlush);
}

void Outgoing::Drop() {
  phase_ = Phase::kDropped;
  std::string().swap(pending_);
  wake_(Wake::kDrop);
}

}  // namespace coterie

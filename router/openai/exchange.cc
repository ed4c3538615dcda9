#include "router/openai/exchange.h"

#include <algorithm>
#include <utility>

#include "kernels/check.h"
#include "router/openai/sse.h"

namespace coterie {

Exchange::Exchange(Options options, ReplySink* sink)
    : options_(std::move(options)), sink_(sink), last_write_(options_.now()) {
  CHECK(!options_.answers.empty());
  for (const auto& answer : options_.answers) {
    answer->SetListener([sink = sink_] { sink->Wake(); });
  }
  Continue();
}

Exchange::~Exchange() {
  for (const auto& answer : options_.answers) {
    if (!answer->done()) answer->Cancel();
  }
}

void Exchange::Continue() {
  if (done_ || sink_->full()) return;
  bool more = false;
  for (size_t i = 0; i < options_.answers.size(); ++i) {
    for (AnswerDelta& delta : options_.answers[i]->Poll()) {
      more = true;
      Take(i, std::move(delta));
      if (done_) return;
    }
  }
  if (!AllDone()) {
    // Poll gives pieces; the next one is taken after those of other connections, and if the client
    // has room for it.
    if (more) sink_->Wake();
    return;
  }
  if (options_.stream) {
    BeginStream();
    Write(options_.writer->Finish(Usage()));
    sink_->End();
  } else {
    sink_->Send({.headers = options_.headers, .body = options_.writer->Finish(Usage())});
  }
  done_ = true;
}

void Exchange::Take(size_t answer, AnswerDelta delta) {
  if (!delta.status.ok()) return Fail(delta.status);
  delta.choice += static_cast<int64_t>(answer) * options_.choices_per_answer;
  if (options_.stream) BeginStream();
  std::string events = options_.writer->Add(delta);
  if (!events.empty()) {
    Write(std::move(events));
  } else if (options_.stream) {
    // Tokens came, but nothing can be said yet: a long call.
    KeepAlive();
  }
}

void Exchange::BeginStream() {
  if (has_begun_) return;
  has_begun_ = true;
  sink_->BeginEvents(options_.headers);
  Write(options_.writer->Begin(Usage()));
}

void Exchange::Write(std::string events) {
  if (events.empty()) return;
  last_write_ = options_.now();
  sink_->Write(std::move(events));
}

void Exchange::KeepAlive() {
  if (done_ || !options_.stream || sink_->full()) return;
  if (options_.now() - last_write_ < kQuietMax) return;
  BeginStream();
  Write(options_.writer->KeepAlive());
}

void Exchange::Fail(const absl::Status& status) {
  const ApiError error = ApiError::FromStatus(status);
  if (has_begun_) {
    Write(options_.writer->Fail(error));
    sink_->End();
  } else {
    WholeReply reply = {.status = error.http_status, .headers = options_.headers};
    reply.body = options_.error_json(error);
    if (error.retry_after_seconds > 0) {
      reply.headers.emplace_back("Retry-After", std::to_string(error.retry_after_seconds));
    }
    sink_->Send(std::move(reply));
  }
  done_ = true;
  for (const auto& answer : options_.answers) answer->Cancel();
}

AnswerUsage Exchange::Usage() const {
  AnswerUsage sum;
  for (const auto& answer : options_.answers) {
    const AnswerUsage usage = answer->usage();
    sum.prompt_tokens += usage.prompt_tokens;
    sum.cached_tokens += usage.cached_tokens;
    sum.generated_tokens += usage.generated_tokens;
    sum.reasoning_tokens += usage.reasoning_tokens;
    sum.queue_seconds = std::max(sum.queue_seconds, usage.queue_seconds);
    sum.prefill_seconds += usage.prefill_seconds;
    sum.decode_seconds += usage.decode_seconds;
  }
  return sum;
}

bool Exchange::AllDone() const {
  return std::all_of(options_.answers.begin(), options_.answers.end(),
                     [](const auto& answer) { return answer->done(); });
}

}  // namespace coterie

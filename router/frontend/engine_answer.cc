#include "router/frontend/engine_answer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/frontend/token_text.h"

namespace coterie {
namespace {

// What one delta holds at most: with all logprobs some 100 KB on the wire. A client who was away
// gets what has gathered in pieces, and takes one before the next is made.
constexpr size_t kTokensPerPoll = 64;

FinishReason FinishReasonOf(EndReason reason, const ChoiceReader& reader) {
  switch (reason) {
    case EndReason::kStopToken:
      return reader.wants_tool_results() ? FinishReason::kToolCalls : FinishReason::kStop;
    case EndReason::kRepetition:
      return FinishReason::kRepetition;
    case EndReason::kToolLoop:
      return FinishReason::kToolLoop;
    case EndReason::kLength:
    case EndReason::kFailed:
      return FinishReason::kLength;
  }
  return FinishReason::kLength;
}

AnswerEnd EndOf(const AnswerDelta& last) {
  if (absl::IsCancelled(last.status)) return AnswerEnd::kCancelled;
  if (!last.status.ok()) return AnswerEnd::kFailed;
  switch (last.finish) {
    case FinishReason::kNone:
    case FinishReason::kStop:
      return AnswerEnd::kStop;
    case FinishReason::kLength:
      return AnswerEnd::kLength;
    case FinishReason::kToolCalls:
      return AnswerEnd::kToolCalls;
    case FinishReason::kRepetition:
      return AnswerEnd::kRepetition;
    case FinishReason::kToolLoop:
      return AnswerEnd::kToolLoop;
  }
  return AnswerEnd::kStop;
}

}  // namespace

EngineAnswer::EngineAnswer(const Tokenizer* tokenizer, Options options,
                           std::vector<std::shared_ptr<TokenStream>> streams,
                           RouterMetrics* metrics)
    : tokenizer_(tokenizer),
      logprobs_(options.logprobs),
      resumption_(std::move(options.resumption)),
      num_prompt_(options.num_prompt),
      metrics_(metrics) {
  choices_.reserve(streams.size());
  for (size_t i = 0; i < streams.size(); ++i) {
    choices_.push_back(
        {.stream = std::move(streams[i]), .reader = ChoiceReader(tokenizer, options.reader)});
    if (resumption_ == nullptr) continue;
    Choice& choice = choices_.back();
    choice.num_received = resumption_->choices[i].num_received;
    if (!resumption_->choices[i].finished) continue;
    choice.stream->Cancel();
    choice.usage = {.prompt_tokens = num_prompt_, .generated_tokens = choice.num_received};
    choice.done = true;
    ++num_done_;
  }
}

EngineAnswer::~EngineAnswer() {
  SetListener(nullptr);
  if (!done()) status_.Update(absl::CancelledError("the client has gone"));
  Cancel();
  for (const Choice& choice : choices_) {
    if (!choice.done) metrics_->CountAnswer(AnswerEnd::kCancelled);
  }
  metrics_->CountRequest(status_);
}

void EngineAnswer::SetListener(std::function<void()> listener) {
  for (Choice& choice : choices_) choice.stream->SetListener(listener);
  // What was drawn elsewhere is there already.
  if (listener && resumption_ != nullptr) listener();
}

void EngineAnswer::Cancel() {
  for (Choice& choice : choices_) choice.stream->Cancel();
}

std::vector<AnswerDelta> EngineAnswer::Poll() {
  std::vector<AnswerDelta> deltas;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (choices_[i].done) continue;
    AnswerDelta delta{.choice = static_cast<int64_t>(i)};
    PollChoice(&choices_[i], &delta);
    if (delta.last || !delta.events.empty() || !delta.tokens.empty())
      deltas.push_back(std::move(delta));
  }
  return deltas;
}

int64_t EngineAnswer::NumKnown(size_t index) const {
  return resumption_ == nullptr ? 0 : static_cast<int64_t>(resumption_->drawn[index].size());
}

std::optional<TokenEvent> EngineAnswer::NextToken(Choice* choice, size_t index) const {
  const int64_t next = choice->num_taken;
  if (next >= NumKnown(index)) return choice->stream->TryNext();
  return TokenEvent{.id = resumption_->drawn[index][static_cast<size_t>(next)],
                    .usage = {.prompt_tokens = num_prompt_, .generated_tokens = next + 1}};
}

void EngineAnswer::PollChoice(Choice* choice, AnswerDelta* delta) {
  const auto index = static_cast<size_t>(delta->choice);
  // Those that the caller has make no delta longer.
  while (delta->tokens.size() < kTokensPerPoll) {
    const std::optional<TokenEvent> event = NextToken(choice, index);
    if (!event) break;
    if (const absl::Status status = TakeToken(choice, *event, delta); !status.ok())
      return Fail(choice, status, delta);
    if (!choice->reader.stopped()) continue;
    if (const absl::Status status = CheckReceived(*choice); !status.ok())
      return Fail(choice, status, delta);
    // Tokens that the engine makes until it notices are nobody's.
    choice->stream->Cancel();
    delta->finish = FinishReason::kStop;
    delta->matched_stop = choice->reader.matched_stop();
    return MarkDone(choice, delta);
  }
  // The stream may have ended before what is known of its answer was handed on.
  if (NumKnown(index) > choice->num_taken) return;
  if (const std::optional<EndEvent> end = choice->stream->ended()) End(choice, *end, delta);
}

absl::Status EngineAnswer::TakeToken(Choice* choice, const TokenEvent& event, AnswerDelta* delta) {
  choice->usage = event.usage;
  // What a token settles comes with it: who has the one has the other.
  std::vector<ChatEvent> settled;
  if (choice->num_taken++ < choice->num_received) return choice->reader.Append(event.id, &settled);
  AnswerToken token{.id = event.id};
  if (logprobs_) {
    token.text = TokenText(tokenizer_->vocabulary(), event.id);
    token.logprob = event.logprobs.chosen;
    token.top = event.logprobs.top;
    for (const auto& [id, logprob] : token.top)
      token.top_text.push_back(TokenText(tokenizer_->vocabulary(), id));
  }
  delta->tokens.push_back(std::move(token));
  return choice->reader.Append(event.id, &delta->events);
}

void EngineAnswer::End(Choice* choice, const EndEvent& end, AnswerDelta* delta) {
  choice->usage = end.usage;
  if (end.reason == EndReason::kFailed) return Fail(choice, end.status, delta);
  if (const absl::Status status = CheckReceived(*choice); !status.ok())
    return Fail(choice, status, delta);
  choice->reader.Finish(end.stop_id, &delta->events);
  if (choice->reader.stopped()) {
    delta->finish = FinishReason::kStop;
    delta->matched_stop = choice->reader.matched_stop();
  } else {
    delta->finish = FinishReasonOf(end.reason, choice->reader);
    delta->stop_token = end.stop_id;
  }
  MarkDone(choice, delta);
}

absl::Status EngineAnswer::CheckReceived(const Choice& choice) {
  if (choice.num_taken >= choice.num_received) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("the answer has ", choice.num_taken, " tokens, and ",
                                            choice.num_received, " are said to be received"));
}

void EngineAnswer::Fail(Choice* choice, const absl::Status& status, AnswerDelta* delta) {
  delta->status = status;
  status_.Update(status);
  choice->stream->Cancel();
  MarkDone(choice, delta);
}

void EngineAnswer::MarkDone(Choice* choice, AnswerDelta* delta) {
  delta->last = true;
  metrics_->CountAnswer(EndOf(*delta));
  choice->done = true;
  ++num_done_;
}

AnswerUsage EngineAnswer::usage() const {
  AnswerUsage usage;
  for (const Choice& choice : choices_) {
    const RequestUsage& one = choice.usage;
    usage.prompt_tokens = std::max(usage.prompt_tokens, one.prompt_tokens);
    if (&choice == &choices_.front()) usage.cached_tokens = one.cached_tokens;
    usage.generated_tokens += one.generated_tokens;
    usage.reasoning_tokens += one.reasoning_tokens;
    usage.queue_seconds = std::max(usage.queue_seconds, one.queue_seconds);
    usage.prefill_seconds = std::max(usage.prefill_seconds, one.prefill_seconds);
    usage.decode_seconds = std::max(usage.decode_seconds, one.decode_seconds);
  }
  return usage;
}

}  // namespace coterie

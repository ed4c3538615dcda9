// Answer: a request under way, as both doors see it: choices of text, reasoning and tool calls, in
// deltas, without a thread that waits.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Answer> answer, completions->Start(request));
//   answer->SetListener([&] { Wake(); });      // any thread, quick
//   …woken: for (const AnswerDelta& delta : answer->Poll()) Write(delta); if (answer->done()) …
#ifndef COTERIE_ROUTER_FRONTEND_ANSWER_H_
#define COTERIE_ROUTER_FRONTEND_ANSWER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "model/chat_output.h"
#include "router/engine/token_stream.h"

namespace coterie {

enum class FinishReason {
  kNone,        // more to come
  kStop,        // a stop token or a stop string
  kLength,      // max_tokens, or the context is full
  kToolCalls,   // the model waits for the results of its calls
  kRepetition,  // a rail: the answer had begun to repeat itself
  kToolLoop,    // a rail: the same call with the same arguments once more
};

struct AnswerToken {
  int32_t id = 0;
  std::string text;                            // its spelling, for logprobs
  float logprob = 0;                           // when asked for
  std::vector<std::pair<int32_t, float>> top;  // when asked for, best first
  std::vector<std::string> top_text;           // spellings of `top`
};

struct AnswerDelta {
  int64_t choice = 0;  // from 0
  // Of a chat: what became settled, in order. Of a text: content events alone.
  std::vector<ChatEvent> events;
  std::vector<AnswerToken> tokens;
  // With the last delta of a choice.
  FinishReason finish = FinishReason::kNone;
  std::string matched_stop;           // of kStop: the stop string that was found
  std::optional<int32_t> stop_token;  // of kStop: the stop token, which is no part of the text
  // With the last delta of a choice that failed; then `finish` means nothing.
  absl::Status status;
  bool last = false;
};

struct AnswerUsage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, that were not computed again
  int64_t generated_tokens = 0;
  int64_t reasoning_tokens = 0;  // of those generated
  double queue_seconds = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

// Thread-compatible, except that the listener is called by another thread.
class Answer {
 public:
  virtual ~Answer() = default;  // cancels what is not finished

  // Set once, before the first Poll. Called, by the engine's thread, when Poll may have something
  // new; at once if it has already. Must not call back into the Answer.
  virtual void SetListener(std::function<void()> listener) = 0;
  // What has come since the last call, in pieces of a bounded size: to be called until it gives
  // nothing. Never waits.
  virtual std::vector<AnswerDelta> Poll() = 0;
  // Every choice has given its last delta.
  virtual bool done() const = 0;
  // Over all choices, complete when done.
  virtual AnswerUsage usage() const = 0;
  virtual void Cancel() = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ANSWER_H_

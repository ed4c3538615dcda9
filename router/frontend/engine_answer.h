// EngineAnswer: an Answer whose choices come from the engine's streams.
#ifndef COTERIE_ROUTER_FRONTEND_ENGINE_ANSWER_H_
#define COTERIE_ROUTER_FRONTEND_ENGINE_ANSWER_H_

#include <functional>
#include <memory>
#include <vector>

#include "model/tokenizer.h"
#include "router/engine/token_stream.h"
#include "router/frontend/answer.h"
#include "router/frontend/choice_reader.h"
#include "router/frontend/resumption.h"
#include "router/metrics.h"

namespace coterie {

class EngineAnswer final : public Answer {
 public:
  struct Options {
    ChoiceReader::Options reader;
    bool logprobs = false;
    // Of a request that goes on here: tokens that come before those of the streams, by choice.
    std::shared_ptr<const Resumption> resumption;
    int64_t num_prompt = 0;  // tokens of its prompt
  };
  // tokenizer, metrics: not owned, outlive this.
  EngineAnswer(const Tokenizer* tokenizer, Options options,
               std::vector<std::shared_ptr<TokenStream>> streams, RouterMetrics* metrics);
  ~EngineAnswer() override;

  void SetListener(std::function<void()> listener) override;
  std::vector<AnswerDelta> Poll() override;
  bool done() const override { return num_done_ == choices_.size(); }
  AnswerUsage usage() const override;
  void Cancel() override;

 private:
  struct Choice {
    std::shared_ptr<TokenStream> stream;
    ChoiceReader reader;
    RequestUsage usage;
    bool done = false;
    int64_t num_taken = 0;     // tokens, those that were drawn elsewhere included
    int64_t num_received = 0;  // of them, that the caller has already
  };

  int64_t NumKnown(size_t index) const;  // of its tokens, before the stream
  std::optional<TokenEvent> NextToken(Choice* choice, size_t index) const;
  void PollChoice(Choice* choice, AnswerDelta* delta);
  absl::Status TakeToken(Choice* choice, const TokenEvent& event, AnswerDelta* delta);
  // OutOfRange: it has ended before what its caller says to have.
  static absl::Status CheckReceived(const Choice& choice);
  void End(Choice* choice, const EndEvent& end, AnswerDelta* delta);
  void Fail(Choice* choice, const absl::Status& status, AnswerDelta* delta);
  void MarkDone(Choice* choice, AnswerDelta* delta);

  const Tokenizer* const tokenizer_;
  const bool logprobs_;
  const std::shared_ptr<const Resumption> resumption_;
  const int64_t num_prompt_;
  RouterMetrics* const metrics_;
  std::vector<Choice> choices_;
  size_t num_done_ = 0;
  absl::Status status_;  // the first failure
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ENGINE_ANSWER_H_

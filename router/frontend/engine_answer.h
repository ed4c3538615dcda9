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
#include "router/metrics.h"

namespace coterie {

class EngineAnswer final : public Answer {
 public:
  struct Options {
    ChoiceReader::Options reader;
    bool logprobs = false;
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
  };

  void PollChoice(Choice* choice, AnswerDelta* delta);
  absl::Status TakeToken(Choice* choice, const TokenEvent& event, AnswerDelta* delta);
  void End(Choice* choice, const EndEvent& end, AnswerDelta* delta);
  void Fail(Choice* choice, const absl::Status& status, AnswerDelta* delta);
  void MarkDone(Choice* choice, AnswerDelta* delta);

  const Tokenizer* const tokenizer_;
  const bool logprobs_;
  RouterMetrics* const metrics_;
  std::vector<Choice> choices_;
  size_t num_done_ = 0;
  absl::Status status_;  // the first failure
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ENGINE_ANSWER_H_

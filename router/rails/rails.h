// Rails: what keeps an answer from going on for nothing, whatever the request asked for: a budget
// of reasoning, answers that repeat themselves, tool calls that go round in circles.
//
// Thread-compatible; one for each sequence.
#ifndef COTERIE_ROUTER_RAILS_RAILS_H_
#define COTERIE_ROUTER_RAILS_RAILS_H_

#include <cstdint>
#include <optional>
#include <span>

#include "model/chat_tokens.h"
#include "router/rails/tail_cycle.h"
#include "router/rails/thinking_budget.h"
#include "router/rails/tool_loop.h"

namespace coterie {

struct RailsParams {
  bool stop_loops = true;          // repetition and tool loops
  std::optional<ChatTokens> chat;  // missing: no chat, no channels and no calls
  bool starts_in_channel = false;  // the prompt ends inside an open channel
  // Tokens of reasoning at most. Missing: three quarters of the answer's, so that something is left
  // to answer with.
  std::optional<int64_t> thinking_tokens_max;
};

class Rails {
 public:
  enum class Verdict { kGoOn, kRepetition, kToolLoop };

  // max_tokens: of the answer.
  Rails(const RailsParams& params, std::span<const int32_t> prompt, int64_t max_tokens);

  // The token that must come next, if any.
  std::optional<int32_t> Forced() const { return thinking_ ? thinking_->Forced() : std::nullopt; }
  // A token of the answer; what it means for going on.
  Verdict Append(int32_t token);
  int64_t num_reasoning_tokens() const { return thinking_ ? thinking_->num_tokens() : 0; }

 private:
  std::optional<TailCycle> cycle_;
  std::optional<ThinkingBudget> thinking_;
  std::optional<ToolLoop> loop_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_RAILS_RAILS_H_

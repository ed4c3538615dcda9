// ThinkingBudget: counts the tokens of reasoning, and closes the channel when they are spent: a
// model that only thinks gives no answer at all.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_RAILS_THINKING_BUDGET_H_
#define COTERIE_ROUTER_RAILS_THINKING_BUDGET_H_

#include <cstdint>
#include <optional>

#include "model/chat_tokens.h"

namespace coterie {

class ThinkingBudget {
 public:
  // max_tokens: of all channels of one answer together.
  // A call ends a channel too, as it does for the parser.
  ThinkingBudget(const ChatTokens& tokens, bool starts_in_channel, int64_t max_tokens)
      : channel_begin_(tokens.channel_begin),
        channel_end_(tokens.channel_end),
        call_begin_(tokens.call_begin),
        max_tokens_(max_tokens),
        in_channel_(starts_in_channel) {}

  // What must come next, whatever the model would say.
  std::optional<int32_t> Forced() const {
    if (!in_channel_ || num_tokens_ < max_tokens_) return std::nullopt;
    return channel_end_;
  }
  void Append(int32_t token) {
    if (token == channel_begin_) {
      in_channel_ = true;
    } else if (token == channel_end_ || token == call_begin_) {
      in_channel_ = false;
    } else if (in_channel_) {
      ++num_tokens_;
    }
  }
  int64_t num_tokens() const { return num_tokens_; }  // of reasoning

 private:
  const int32_t channel_begin_, channel_end_, call_begin_;
  const int64_t max_tokens_;
  bool in_channel_;
  int64_t num_tokens_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_RAILS_THINKING_BUDGET_H_

// ToolLoop: notices a model that makes the same call again although it has got the same result for
// it several times running. It keeps no state between requests: what was called and answered before
// stands in the prompt.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_RAILS_TOOL_LOOP_H_
#define COTERIE_ROUTER_RAILS_TOOL_LOOP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/chat_tokens.h"

namespace coterie {

class ToolLoop {
 public:
  // So many equal rounds (call and result) in the prompt make one more equal call a loop. Harnesses
  // stop at 3 to 5 equal calls; whoever polls gets different results sooner or later.
  static constexpr int kRounds = 4;

  ToolLoop(const ChatTokens& tokens, std::span<const int32_t> prompt);

  // True when `token` completes a call that goes on with the loop.
  bool Append(int32_t token);

 private:
  const ChatTokens tokens_;
  std::vector<int32_t> looping_;  // the call that was repeated; empty: none
  std::vector<int32_t> call_;     // the one under way, from call_begin on
  bool in_call_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_RAILS_TOOL_LOOP_H_

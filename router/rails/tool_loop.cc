#include "router/rails/tool_loop.h"

#include <algorithm>
#include <utility>

namespace coterie {
namespace {

using Tokens = std::span<const int32_t>;

struct Round {
  Tokens call, result;

  friend bool operator==(const Round& a, const Round& b) {
    return std::ranges::equal(a.call, b.call) && std::ranges::equal(a.result, b.result);
  }
};

// From `begin` to `end`, both included; what is before it is cut off `tokens`. Empty when there is
// none.
Tokens CutSpan(Tokens* tokens, int32_t begin, int32_t end) {
  const auto first = std::find(tokens->begin(), tokens->end(), begin);
  const auto last = std::find(first, tokens->end(), end);
  if (last == tokens->end()) {
    *tokens = {};
    return {};
  }
  const auto at = static_cast<size_t>(first - tokens->begin()),
             size = static_cast<size_t>(last - first) + 1;
  const Tokens span = tokens->subspan(at, size);
  *tokens = tokens->subspan(at + size);
  return span;
}

}  // namespace

ToolLoop::ToolLoop(const ChatTokens& tokens, Tokens prompt) : tokens_(tokens) {
  // Rounds with one call each; with parallel ones, a result follows all calls and pairs up with the
  // last: enough to tell equal rounds from different ones.
  int equal = 0;
  Round last;
  while (!prompt.empty()) {
    Round round;
    Tokens rest = prompt;
    round.call = CutSpan(&rest, tokens_.call_begin, tokens_.call_end);
    round.result = CutSpan(&rest, tokens_.response_begin, tokens_.response_end);
    prompt = rest;
    if (round.call.empty() || round.result.empty()) break;
    equal = equal > 0 && round == last ? equal + 1 : 1;
    last = round;
  }
  if (equal >= kRounds) looping_.assign(last.call.begin(), last.call.end());
}

bool ToolLoop::Append(int32_t token) {
  if (looping_.empty()) return false;
  if (token == tokens_.call_begin) {
    in_call_ = true;
    call_.clear();
  }
  if (!in_call_) return false;
  call_.push_back(token);
  if (token != tokens_.call_end) return false;
  in_call_ = false;
  return call_ == looping_;
}

}  // namespace coterie

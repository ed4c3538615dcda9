#include "router/openai/reply_parts.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/string_view.h"

namespace coterie {
namespace {

ChatJson TokenJson(const std::string& text, float logprob) {
  ChatJson bytes = ChatJson::array();
  for (const char c : text) bytes.push_back(static_cast<uint8_t>(c));
  ChatJson json = {{"token", text}, {"logprob", JsonLogprob(logprob)}};
  json["bytes"] = std::move(bytes);
  return json;
}

}  // namespace

double JsonLogprob(float logprob) {
  return std::isfinite(logprob) ? std::max<double>(logprob, kLogprobMin) : kLogprobMin;
}

void ChoiceEnd::Take(const AnswerDelta& delta, const ReplyForm& form) {
  finish = delta.finish;
  matched_stop = delta.matched_stop;
  if (!delta.stop_token) return;
  const bool asked = std::find(form.stop_ids.begin(), form.stop_ids.end(), *delta.stop_token) !=
                     form.stop_ids.end();
  if (asked) stop_token = *delta.stop_token;
}

std::string FinishReasonName(const ChoiceEnd& end) {
  switch (end.finish) {
    case FinishReason::kLength:
    case FinishReason::kRepetition:
    case FinishReason::kToolLoop:
      return "length";
    default:
      // A model may end its turn after a call as well as wait for the result; and a turn that waits
      // for a call that broke has no call that a client could answer.
      return end.has_calls ? "tool_calls" : "stop";
  }
}

ChatJson StopReason(const ChoiceEnd& end) {
  if (end.finish == FinishReason::kRepetition) return "repetition";
  if (end.finish == FinishReason::kToolLoop) return "tool_loop";
  if (end.finish != FinishReason::kStop) return nullptr;
  if (!end.matched_stop.empty()) return end.matched_stop;
  if (end.stop_token >= 0) return end.stop_token;
  return nullptr;
}

ChatJson UsageJson(const AnswerUsage& usage) {
  ChatJson json = {{"prompt_tokens", usage.prompt_tokens},
                   {"completion_tokens", usage.generated_tokens},
                   {"total_tokens", usage.prompt_tokens + usage.generated_tokens}};
  json["prompt_tokens_details"]["cached_tokens"] = usage.cached_tokens;
  json["completion_tokens_details"]["reasoning_tokens"] = usage.reasoning_tokens;
  return json;
}

ChatJson LogprobsJson(const std::vector<AnswerToken>& tokens) {
  ChatJson list = ChatJson::array();
  for (const AnswerToken& token : tokens) {
    ChatJson json = TokenJson(token.text, token.logprob);
    ChatJson top = ChatJson::array();
    for (size_t i = 0; i < token.top.size() && i < token.top_text.size(); ++i) {
      top.push_back(TokenJson(token.top_text[i], token.top[i].second));
    }
    json["top_logprobs"] = std::move(top);
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace coterie

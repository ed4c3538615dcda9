// What the replies of OpenAI's two older endpoints have in common: why a choice ended, how many
// tokens there were, how likely they were.
#ifndef COTERIE_ROUTER_OPENAI_REPLY_PARTS_H_
#define COTERIE_ROUTER_OPENAI_REPLY_PARTS_H_

#include <string>
#include <vector>

#include "model/chat_json.h"
#include "router/frontend/answer.h"
#include "router/openai/reply_form.h"

namespace coterie {

// JSON has no infinity, and strict clients take no null: OpenAI's own value for "as good as never".
inline constexpr double kLogprobMin = -9999;

double JsonLogprob(float logprob);

// How a choice ended.
struct ChoiceEnd {
  FinishReason finish = FinishReason::kNone;
  bool has_calls = false;  // at least one complete call
  std::string matched_stop;
  int32_t stop_token = -1;  // one that the client asked for

  void Take(const AnswerDelta& delta, const ReplyForm& form);
};

// "stop", "length" or "tool_calls", which is all that strict clients know. The rails end an answer
// as a limit does.
std::string FinishReasonName(const ChoiceEnd& end);
// vLLM's `stop_reason`: the stop string or stop token that was found; ours: "repetition" or
// "tool_loop". Null: nothing to add.
ChatJson StopReason(const ChoiceEnd& end);

// {prompt_tokens, completion_tokens, total_tokens, …}
ChatJson UsageJson(const AnswerUsage& usage);

// The `content` of a chat's logprobs: [{token, logprob, bytes, top_logprobs}].
ChatJson LogprobsJson(const std::vector<AnswerToken>& tokens);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_REPLY_PARTS_H_

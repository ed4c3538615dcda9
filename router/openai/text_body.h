// The body of POST /v1/completions → TextRequests, one for each prompt.
#ifndef COTERIE_ROUTER_OPENAI_TEXT_BODY_H_
#define COTERIE_ROUTER_OPENAI_TEXT_BODY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "router/frontend/chat_request.h"
#include "router/openai/reply_form.h"

namespace coterie {

inline constexpr size_t kPromptsMax = 64;
inline constexpr int64_t kTextMaxTokens = 16;  // OpenAI's default
inline constexpr int64_t kTextLogprobsMax = 5;

struct TextBody {
  std::vector<TextRequest> requests;  // at least one
  ReplyForm form;
};

// `prompt` is a text, a list of token ids, or a list of either. Spellings of control tokens in a
// text are control tokens: whoever renders a chat format on their own comes here. InvalidArgument;
// FieldOf is the JSON path at fault.
absl::StatusOr<TextBody> ReadTextBody(const ChatJson& body);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_TEXT_BODY_H_

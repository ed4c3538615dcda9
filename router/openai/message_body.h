// The body of POST /v1/messages, Anthropic's API → ChatRequest. docs/http_api.md has the list of
// fields.
//
// A user's message with tool results is taken apart: each result is a message of its own, before
// the text that follows it. A result with is_error is shown to the model under the key `error`.
// Blocks of `redacted_thinking` and all cache_control are dropped.
#ifndef COTERIE_ROUTER_OPENAI_MESSAGE_BODY_H_
#define COTERIE_ROUTER_OPENAI_MESSAGE_BODY_H_

#include "absl/status/statusor.h"
#include "router/openai/chat_body.h"

namespace coterie {

// InvalidArgument; FieldOf is the JSON path at fault.
absl::StatusOr<ChatBody> ReadMessageBody(const ChatJson& body, const ChatRequest& defaults);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_MESSAGE_BODY_H_

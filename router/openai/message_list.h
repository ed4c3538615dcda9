// The `messages` of /v1/chat/completions → ChatMessages.
#ifndef COTERIE_ROUTER_OPENAI_MESSAGE_LIST_H_
#define COTERIE_ROUTER_OPENAI_MESSAGE_LIST_H_

#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "model/chat_message.h"

namespace coterie {

// Lists of text parts are taken for every role; what a tool or an assistant says in parts is put
// together. Of an assistant: `tool_calls` with arguments as JSON text, `reasoning_content` or
// `reasoning`. InvalidField names the message, messages[2], or a field in it.
absl::StatusOr<std::vector<ChatMessage>> ReadMessageList(const ChatJson& messages);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_MESSAGE_LIST_H_

// `system` and `messages` of Anthropic's API → ChatMessages.
#ifndef COTERIE_ROUTER_OPENAI_MESSAGE_BLOCKS_H_
#define COTERIE_ROUTER_OPENAI_MESSAGE_BLOCKS_H_

#include "absl/status/status.h"
#include "model/chat_json.h"
#include "router/openai/conversation.h"

namespace coterie {

// A text or text blocks. What Claude Code bills by is left out: it differs from request to request,
// and with it at the very beginning no prefix would ever be found again.
absl::Status AddSystemBlocks(const ChatJson& system, Conversation* conversation);

absl::Status AddMessageBlocks(const ChatJson& messages, Conversation* conversation);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_MESSAGE_BLOCKS_H_

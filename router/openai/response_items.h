// The `input` items of /v1/responses → ChatMessages.
//
// What the model did is spread over items there: reasoning, message, function_call. Neighbours of
// these kinds are one message of the assistant here.
#ifndef COTERIE_ROUTER_OPENAI_RESPONSE_ITEMS_H_
#define COTERIE_ROUTER_OPENAI_RESPONSE_ITEMS_H_

#include "absl/status/status.h"
#include "model/chat_json.h"
#include "router/openai/conversation.h"

namespace coterie {

// InvalidField names the item: input[3].type.
absl::Status AddResponseItems(const ChatJson& items, Conversation* conversation);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_RESPONSE_ITEMS_H_

// JSON of a request's body, and JSON as text for a reply.
#ifndef COTERIE_ROUTER_OPENAI_JSON_TEXT_H_
#define COTERIE_ROUTER_OPENAI_JSON_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"

namespace coterie {

// A body that is one JSON object. InvalidArgument otherwise; the bounds are ParseChatJson's.
absl::StatusOr<ChatJson> ParseBody(absl::string_view body);

// On one line, so that it can stand in a server-sent event. Bytes that are no UTF-8 become U+FFFD:
// never throws.
std::string DumpJson(const ChatJson& json);

// What a value is, for a message: "a string", "an integer", "null".
std::string TypeOf(const ChatJson& json);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_JSON_TEXT_H_

// What a message says, by the rules of its role.
#ifndef COTERIE_MODEL_CHAT_CONTENT_H_
#define COTERIE_MODEL_CHAT_CONTENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "model/chat_segments.h"

namespace coterie {

// `content` is a string, or a list of objects that each have a string `text`. Anything else is
// InvalidArgument.

// A string is trimmed; each part of a list is shown as it is, with a space after it.
absl::Status AppendSystemContent(const ChatJson& content, ChatSegments* segments);

// A string is trimmed, and so is each part of a list.
absl::Status AppendUserContent(const ChatJson& content, ChatSegments* segments);

// Without the channels that a client may have left in it, then as a user's. Null is nothing.
absl::StatusOr<std::string> AssistantText(const ChatJson& content);

// What a tool says is any value but null. A list of nothing but {"type": "text", "text": …} is one
// string; OpenAI's API gives long results so. An object is shown by its keys, anything else as the
// one key `value`.
absl::Status AppendResultContent(const ChatJson& content, ChatSegments* segments);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_CONTENT_H_

// One message of a conversation, and its reading from OpenAI's JSON.
#ifndef COTERIE_MODEL_CHAT_MESSAGE_H_
#define COTERIE_MODEL_CHAT_MESSAGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_json.h"

namespace coterie {

enum class ChatRole {
  kSystem,     // "system" or "developer"; only the first message
  kUser,       // "user"
  kAssistant,  // "assistant": what the model said
  kTool,       // "tool": what a tool answered
};

// A call that the model made.
struct ChatToolCall {
  std::string id;      // the result names it
  std::string name;    // of the tool
  ChatJson arguments;  // an object
};

struct ChatMessage {
  ChatRole role = ChatRole::kUser;
  // Null: none. A string, or a list of objects that each have a string `text`; of a tool any value,
  // but what a tool says in an object is shown to the model by key.
  ChatJson content;
  std::string reasoning;                 // of an assistant, may be empty
  std::vector<ChatToolCall> tool_calls;  // of an assistant
  std::string tool_call_id;              // of a tool: which call it answers
};

// `json` has the fields of OpenAI's API: role, content, tool_calls, tool_call_id, and
// `reasoning_content` or `reasoning`; others are passed over. The arguments of a call must be an
// object already: whoever receives OpenAI's JSON text parses it (ParseChatJson). InvalidArgument
// says what is wrong. Whether the content suits the role is for RenderChat to judge.
absl::StatusOr<ChatMessage> ChatMessageFromJson(const ChatJson& json);

// The same for a list; the error names the message by its place, from 0.
absl::StatusOr<std::vector<ChatMessage>> ChatMessagesFromJson(const ChatJson& json);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_MESSAGE_H_

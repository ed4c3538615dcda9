#include "model/chat_message.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernels/status_macros.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// The field, null when it is absent.
const ChatJson& Field(const ChatJson& object, const char* name) {
  static const ChatJson* const null = new ChatJson();
  const auto found = object.find(name);
  return found == object.end() ? *null : *found;
}

// The string of a field, empty when it is absent or null.
absl::StatusOr<std::string> OptionalString(const ChatJson& object, const char* name) {
  const ChatJson& value = Field(object, name);
  if (value.is_null()) return std::string();
  if (value.is_string()) return value.get_ref<const std::string&>();
  return absl::InvalidArgumentError(
      absl::StrCat("`", name, "` is of type ", value.type_name(), ", expected a string"));
}

absl::StatusOr<std::string> RequiredString(const ChatJson& object, const char* name) {
  if (Field(object, name).is_null())
    return absl::InvalidArgumentError(absl::StrCat("`", name, "` is missing"));
  return OptionalString(object, name);
}

absl::StatusOr<ChatRole> RoleFromJson(const ChatJson& message) {
  ASSIGN_OR_RETURN(const std::string role, RequiredString(message, "role"));
  if (role == "system" || role == "developer") return ChatRole::kSystem;
  if (role == "user") return ChatRole::kUser;
  if (role == "assistant") return ChatRole::kAssistant;
  if (role == "tool") return ChatRole::kTool;
  return absl::InvalidArgumentError(
      absl::StrCat("the role is ", QuoteForMessage(role),
                   ", expected system, developer, user, assistant or tool"));
}

absl::StatusOr<ChatToolCall> ToolCallFromJson(const ChatJson& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("it is no object");
  const ChatJson& function = Field(json, "function");
  if (!function.is_object()) return absl::InvalidArgumentError("`function` is no object");
  ChatToolCall call;
  ASSIGN_OR_RETURN(call.id, RequiredString(json, "id"));
  ASSIGN_OR_RETURN(call.name, RequiredString(function, "name"));
  call.arguments = Field(function, "arguments");
  if (call.arguments.is_object()) return call;
  return absl::InvalidArgumentError(
      absl::StrCat("`arguments` is of type ", call.arguments.type_name(), ", expected an object",
                   call.arguments.is_string() ? " (a JSON text is to be parsed before)" : ""));
}

absl::StatusOr<std::vector<ChatToolCall>> ToolCallsFromJson(const ChatJson& json) {
  std::vector<ChatToolCall> calls;
  if (json.is_null()) return calls;
  if (!json.is_array()) return absl::InvalidArgumentError("`tool_calls` is no list");
  for (const ChatJson& item : json) {
    auto call = ToolCallFromJson(item);
    if (!call.ok()) return Annotate(call.status(), absl::StrCat("tool call ", calls.size()));
    calls.push_back(*std::move(call));
  }
  return calls;
}

}  // namespace

absl::StatusOr<ChatMessage> ChatMessageFromJson(const ChatJson& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("it is no object");
  ChatMessage message;
  ASSIGN_OR_RETURN(message.role, RoleFromJson(json));
  message.content = Field(json, "content");
  ASSIGN_OR_RETURN(message.reasoning, OptionalString(json, "reasoning_content"));
  if (message.reasoning.empty()) {
    ASSIGN_OR_RETURN(message.reasoning, OptionalString(json, "reasoning"));
  }
  ASSIGN_OR_RETURN(message.tool_calls, ToolCallsFromJson(Field(json, "tool_calls")));
  ASSIGN_OR_RETURN(message.tool_call_id, OptionalString(json, "tool_call_id"));
  return message;
}

absl::StatusOr<std::vector<ChatMessage>> ChatMessagesFromJson(const ChatJson& json) {
  if (!json.is_array()) return absl::InvalidArgumentError("`messages` is no list");
  std::vector<ChatMessage> messages;
  for (const ChatJson& item : json) {
    auto message = ChatMessageFromJson(item);
    if (!message.ok()) {
      return Annotate(message.status(), absl::StrCat("message ", messages.size()));
    }
    messages.push_back(*std::move(message));
  }
  return messages;
}

}  // namespace coterie

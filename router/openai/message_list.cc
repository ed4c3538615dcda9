#include "router/openai/message_list.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/conversation.h"
#include "router/openai/field_reader.h"

namespace coterie {
namespace {

enum Role { kSystem, kDeveloper, kUser, kAssistant, kTool };

ChatRole ChatRoleOf(int role) {
  switch (role) {
    case kUser:
      return ChatRole::kUser;
    case kAssistant:
      return ChatRole::kAssistant;
    case kTool:
      return ChatRole::kTool;
    default:
      return ChatRole::kSystem;
  }
}

absl::StatusOr<ChatToolCall> ReadToolCall(const ChatJson& json, const std::string& path) {
  FieldReader fields(json, path);
  int type = 0;
  fields.OneOf("type", {"function"}, &type);
  ChatToolCall call;
  fields.Require("id");
  fields.String("id", SIZE_MAX, &call.id);
  fields.Require("function");
  const ChatJson* function = fields.Object("function");
  RETURN_IF_ERROR(fields.status());
  FieldReader inner(*function, fields.PathOf("function"));
  inner.Require("name");
  inner.String("name", SIZE_MAX, &call.name);
  inner.Require("arguments");
  RETURN_IF_ERROR(inner.status());
  ASSIGN_OR_RETURN(call.arguments,
                   ReadArguments(*inner.Find("arguments"), inner.PathOf("arguments")));
  return call;
}

absl::Status ReadAssistant(FieldReader* fields, ChatMessage* message) {
  fields->Refuse("function_call", "send `tool_calls`");
  fields->Refuse("audio", "this model is served for text only");
  fields->String("reasoning_content", SIZE_MAX, &message->reasoning);
  if (message->reasoning.empty()) fields->String("reasoning", SIZE_MAX, &message->reasoning);
  const ChatJson* calls = fields->List("tool_calls", kMessagesMax);
  RETURN_IF_ERROR(fields->status());
  if (calls == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < calls->size(); ++i) {
    ASSIGN_OR_RETURN(
        ChatToolCall call,
        ReadToolCall((*calls)[i], absl::StrCat(fields->PathOf("tool_calls"), "[", i, "]")));
    message->tool_calls.push_back(std::move(call));
  }
  return absl::OkStatus();
}

absl::Status ReadContent(int role, FieldReader* fields, ChatMessage* message) {
  const ChatJson* content = fields->Find("content");
  // An assistant that only called or only reasoned says nothing; one that did nothing at all is
  // taken as having said nothing, since agents replay what they were sent.
  if (content == nullptr && role != kAssistant) fields->Require("content");
  RETURN_IF_ERROR(fields->status());
  const std::string path = fields->PathOf("content");
  if (content != nullptr && content->is_array() && role < kAssistant) {
    // Kept in parts: the chat format has rules of its own for putting these together.
    ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadTextParts(*content, path));
    message->content = ChatJson::array();
    for (const std::string& text : texts) {
      message->content.push_back(ChatJson::object({{"type", "text"}, {"text", text}}));
    }
  } else if (content != nullptr) {
    ASSIGN_OR_RETURN(message->content, ReadText(*content, path));
  } else if (message->tool_calls.empty()) {
    message->content = "";
  }
  return absl::OkStatus();
}

absl::StatusOr<ChatMessage> ReadMessage(const ChatJson& json, const std::string& path) {
  FieldReader fields(json, path);
  int role = kUser;
  fields.Require("role");
  fields.OneOf("role", {"system", "developer", "user", "assistant", "tool"}, &role);
  RETURN_IF_ERROR(fields.status());
  ChatMessage message;
  message.role = ChatRoleOf(role);
  if (role == kAssistant) RETURN_IF_ERROR(ReadAssistant(&fields, &message));
  if (role == kTool) {
    fields.Require("tool_call_id");
    fields.String("tool_call_id", SIZE_MAX, &message.tool_call_id);
  }
  RETURN_IF_ERROR(ReadContent(role, &fields, &message));
  return message;
}

}  // namespace

absl::StatusOr<std::vector<ChatMessage>> ReadMessageList(const ChatJson& messages) {
  Conversation conversation;
  for (size_t i = 0; i < messages.size(); ++i) {
    ASSIGN_OR_RETURN(ChatMessage message,
                     ReadMessage(messages[i], absl::StrCat("messages[", i, "]")));
    conversation.Add(std::move(message));
  }
  return conversation.Take();
}

}  // namespace coterie

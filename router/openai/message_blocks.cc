#include "router/openai/message_blocks.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/field_reader.h"

namespace coterie {
namespace {

constexpr absl::string_view kBillingPrefix = "x-anthropic-billing-header:";

enum Block { kText, kToolUse, kToolResult, kThinking, kRedacted };

// One message's blocks, read one after the other.
class BlockReader {
 public:
  BlockReader(bool is_user, Conversation* conversation)
      : is_user_(is_user), conversation_(conversation) {
    pending_.role = is_user ? ChatRole::kUser : ChatRole::kAssistant;
  }

  absl::Status Read(const ChatJson& json, const std::string& path) {
    FieldReader fields(json, path);
    int block = kText;
    fields.Require("type");
    fields.OneOf("type", {"text", "tool_use", "tool_result", "thinking", "redacted_thinking"},
                 &block);
    RETURN_IF_ERROR(fields.status());
    const bool is_users = block == kToolResult;
    if (block != kText && is_users != is_user_) {
      fields.Fail("type", absl::StrCat("does not belong in a message of ",
                                       is_user_ ? "a user" : "an assistant"));
      return fields.status();
    }
    switch (block) {
      case kText:
        fields.Require("text");
        texts_.emplace_back();
        fields.String("text", SIZE_MAX, &texts_.back());
        return fields.status();
      case kToolUse:
        return ReadCall(&fields);
      case kToolResult:
        return ReadResult(&fields);
      case kThinking: {
        std::string thinking;
        fields.String("thinking", SIZE_MAX, &thinking);
        pending_.reasoning += thinking;
        return fields.status();
      }
      default:
        return absl::OkStatus();
    }
  }

  // What is left, as a message.
  void Finish() {
    if (is_user_) {
      AddUserText();
      return;
    }
    if (!texts_.empty() || pending_.tool_calls.empty()) {
      pending_.content = absl::StrJoin(texts_, "");
    }
    conversation_->Add(std::move(pending_));
  }

 private:
  void AddUserText() {
    if (texts_.empty()) return;
    ChatMessage message;
    message.role = ChatRole::kUser;
    message.content = absl::StrJoin(texts_, "\n");
    conversation_->Add(std::move(message));
    texts_.clear();
  }

  absl::Status ReadCall(FieldReader* fields) {
    ChatToolCall call;
    fields->Require("id");
    fields->String("id", SIZE_MAX, &call.id);
    fields->Require("name");
    fields->String("name", SIZE_MAX, &call.name);
    fields->Require("input");
    const ChatJson* input = fields->Object("input");
    RETURN_IF_ERROR(fields->status());
    call.arguments = *input;
    pending_.tool_calls.push_back(std::move(call));
    return absl::OkStatus();
  }

  absl::Status ReadResult(FieldReader* fields) {
    AddUserText();
    ChatMessage message;
    message.role = ChatRole::kTool;
    bool is_error = false;
    fields->Require("tool_use_id");
    fields->String("tool_use_id", SIZE_MAX, &message.tool_call_id);
    fields->Bool("is_error", &is_error);
    RETURN_IF_ERROR(fields->status());
    const ChatJson* content = fields->Find("content");
    std::string text;
    if (content != nullptr) {
      ASSIGN_OR_RETURN(text, ReadText(*content, fields->PathOf("content"), "\n"));
    }
    if (is_error) {
      message.content = ChatJson::object();
      message.content["error"] = std::move(text);
    } else {
      message.content = std::move(text);
    }
    conversation_->Add(std::move(message));
    return absl::OkStatus();
  }

  const bool is_user_;
  Conversation* const conversation_;
  ChatMessage pending_;  // of an assistant
  std::vector<std::string> texts_;
};

absl::Status AddMessage(const ChatJson& json, const std::string& path, Conversation* conversation) {
  FieldReader fields(json, path);
  int role = 0;
  fields.Require("role");
  fields.OneOf("role", {"user", "assistant", "system"}, &role);
  fields.Require("content");
  RETURN_IF_ERROR(fields.status());
  const ChatJson& content = *fields.Find("content");
  if (role == 2 || content.is_string()) {
    ChatMessage message;
    message.role = role == 0   ? ChatRole::kUser
                   : role == 1 ? ChatRole::kAssistant
                               : ChatRole::kSystem;
    ASSIGN_OR_RETURN(message.content, ReadText(content, fields.PathOf("content"), "\n"));
    conversation->Add(std::move(message));
    return absl::OkStatus();
  }
  const ChatJson* blocks = fields.List("content", kMessagesMax);
  RETURN_IF_ERROR(fields.status());
  BlockReader reader(role == 0, conversation);
  for (size_t i = 0; i < blocks->size(); ++i) {
    RETURN_IF_ERROR(reader.Read((*blocks)[i], absl::StrCat(fields.PathOf("content"), "[", i, "]")));
  }
  reader.Finish();
  return absl::OkStatus();
}

}  // namespace

absl::Status AddSystemBlocks(const ChatJson& system, Conversation* conversation) {
  std::vector<std::string> texts;
  if (system.is_string()) {
    texts.push_back(system.get_ref<const std::string&>());
  } else {
    ASSIGN_OR_RETURN(texts, ReadTextParts(system, "system"));
  }
  std::erase_if(texts, [](const std::string& text) {
    return text.empty() || absl::StartsWith(text, kBillingPrefix);
  });
  if (!texts.empty()) conversation->AddSystem(absl::StrJoin(texts, "\n\n"));
  return absl::OkStatus();
}

absl::Status AddMessageBlocks(const ChatJson& messages, Conversation* conversation) {
  for (size_t i = 0; i < messages.size(); ++i) {
    RETURN_IF_ERROR(AddMessage(messages[i], absl::StrCat("messages[", i, "]"), conversation));
  }
  if (conversation->messages().empty()) return InvalidField("messages", "`messages` say nothing");
  if (conversation->messages().back().role == ChatRole::kAssistant) {
    return InvalidField("messages",
                        "`messages` ends with one of the assistant; this server does not continue "
                        "what an assistant began");
  }
  return absl::OkStatus();
}

}  // namespace coterie

#include "router/openai/response_items.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/field_reader.h"

namespace coterie {
namespace {

// The texts of `content` or, where there is none, of `summary`.
absl::StatusOr<std::string> ReasoningText(FieldReader* fields) {
  std::string text;
  for (const char* name : {"content", "summary"}) {
    const ChatJson* parts = fields->List(name, kMessagesMax);
    RETURN_IF_ERROR(fields->status());
    for (size_t i = 0; parts != nullptr && i < parts->size(); ++i) {
      FieldReader part((*parts)[i], absl::StrCat(fields->PathOf(name), "[", i, "]"));
      std::string piece;
      part.String("text", SIZE_MAX, &piece);
      RETURN_IF_ERROR(part.status());
      text += piece;
    }
    if (!text.empty()) break;
  }
  return text;
}

class ItemReader {
 public:
  explicit ItemReader(Conversation* conversation) : conversation_(conversation) {}

  absl::Status Read(const ChatJson& json, const std::string& path) {
    FieldReader fields(json, path);
    std::string type = "message";
    fields.String("type", 64, &type);
    RETURN_IF_ERROR(fields.status());
    if (type == "message") return ReadMessage(&fields);
    if (type == "reasoning") {
      ASSIGN_OR_RETURN(const std::string text, ReasoningText(&fields));
      // Reasoning begins what follows it.
      if (pending_.content.is_string() || !pending_.tool_calls.empty()) Finish();
      is_pending_ = true;
      pending_.reasoning += text;
      return absl::OkStatus();
    }
    if (type == "function_call") return ReadCall(&fields);
    if (type == "function_call_output") return ReadResult(&fields);
    fields.Fail("type", absl::StrCat("is \"", type,
                                     "\", expected message, reasoning, function_call or "
                                     "function_call_output"));
    return fields.status();
  }

  // What the assistant has done so far, as a message.
  void Finish() {
    if (!std::exchange(is_pending_, false)) return;
    pending_.role = ChatRole::kAssistant;
    if (pending_.content.is_null() && pending_.tool_calls.empty()) pending_.content = "";
    conversation_->Add(std::exchange(pending_, ChatMessage()));
  }

 private:
  absl::Status ReadMessage(FieldReader* fields) {
    int role = 0;
    fields->Require("role");
    fields->OneOf("role", {"user", "assistant", "system", "developer"}, &role);
    fields->Require("content");
    RETURN_IF_ERROR(fields->status());
    const ChatJson& content = *fields->Find("content");
    ASSIGN_OR_RETURN(std::string text, ReadText(content, fields->PathOf("content"), "\n"));
    if (role == 1) {
      is_pending_ = true;
      pending_.content = pending_.content.is_string()
                             ? absl::StrCat(pending_.content.get_ref<const std::string&>(), text)
                             : std::move(text);
      return absl::OkStatus();
    }
    Finish();
    ChatMessage message;
    message.role = role == 0 ? ChatRole::kUser : ChatRole::kSystem;
    message.content = std::move(text);
    conversation_->Add(std::move(message));
    return absl::OkStatus();
  }

  absl::Status ReadCall(FieldReader* fields) {
    ChatToolCall call;
    fields->Require("call_id");
    fields->String("call_id", SIZE_MAX, &call.id);
    fields->Require("name");
    fields->String("name", SIZE_MAX, &call.name);
    fields->Require("arguments");
    RETURN_IF_ERROR(fields->status());
    ASSIGN_OR_RETURN(call.arguments,
                     ReadArguments(*fields->Find("arguments"), fields->PathOf("arguments")));
    is_pending_ = true;
    pending_.tool_calls.push_back(std::move(call));
    return absl::OkStatus();
  }

  absl::Status ReadResult(FieldReader* fields) {
    ChatMessage message;
    message.role = ChatRole::kTool;
    fields->Require("call_id");
    fields->String("call_id", SIZE_MAX, &message.tool_call_id);
    fields->Require("output");
    RETURN_IF_ERROR(fields->status());
    ASSIGN_OR_RETURN(message.content,
                     ReadText(*fields->Find("output"), fields->PathOf("output"), "\n"));
    Finish();
    conversation_->Add(std::move(message));
    return absl::OkStatus();
  }

  Conversation* const conversation_;
  ChatMessage pending_;  // of the assistant
  bool is_pending_ = false;
};

}  // namespace

absl::Status AddResponseItems(const ChatJson& items, Conversation* conversation) {
  ItemReader reader(conversation);
  for (size_t i = 0; i < items.size(); ++i) {
    RETURN_IF_ERROR(reader.Read(items[i], absl::StrCat("input[", i, "]")));
  }
  reader.Finish();
  return absl::OkStatus();
}

}  // namespace coterie

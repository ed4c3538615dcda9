#include "model/chat_template.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernels/status_macros.h"
#include "model/chat_content.h"
#include "model/chat_tokens.h"
#include "model/chat_value.h"
#include "model/tool_declaration.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// Goes through a conversation once.
class Renderer {
 public:
  Renderer(std::span<const ChatMessage> messages, const ChatOptions& options)
      : messages_(messages), options_(options) {
    for (size_t i = 0; i < messages.size(); ++i) {
      if (messages[i].role == ChatRole::kUser) last_user_ = static_cast<int64_t>(i);
    }
  }

  absl::Status AppendSystemTurn(std::span<const ChatJson> tools) {
    const bool has_message = messages_[0].role == ChatRole::kSystem;
    if (!has_message && tools.empty() && !options_.enable_thinking) return absl::OkStatus();
    segments_.Format(absl::StrCat(kTurnBegin, "system\n"));
    if (options_.enable_thinking) segments_.Format(absl::StrCat(kThink, "\n"));
    if (has_message) {
      RETURN_IF_ERROR(Annotate(AppendSystemContent(messages_[0].content, &segments_), "message 0"));
    }
    for (size_t i = 0; i < tools.size(); ++i) {
      RETURN_IF_ERROR(
          Annotate(AppendToolDeclaration(tools[i], &segments_), absl::StrCat("tool ", i)));
    }
    EndTurn();
    return absl::OkStatus();
  }

  absl::Status AppendMessage(int64_t index) {
    const ChatMessage& message = messages_[static_cast<size_t>(index)];
    if (message.role != ChatRole::kAssistant && !message.tool_calls.empty())
      return absl::InvalidArgumentError("only an assistant's message has `tool_calls`");
    if (message.role != ChatRole::kTool) EndMessage();
    switch (message.role) {
      case ChatRole::kSystem:
        if (index == 0) return absl::OkStatus();
        return absl::InvalidArgumentError("a system message must be the first");
      case ChatRole::kUser:
        return AppendUser(message);
      case ChatRole::kAssistant:
        return AppendAssistant(message, index > last_user_);
      case ChatRole::kTool:
        return AppendResult(message);
    }
    return absl::InvalidArgumentError("the role is none");
  }

  // After the last message.
  void EndMessage() {
    if (caller_ == nullptr) return;
    // The text of a message that calls tools stands after the results.
    EndModelMessage(caller_text_);
    caller_ = nullptr;
  }

  // Where the model speaks next. True when that is inside an open channel.
  bool AppendGenerationPrompt() {
    if (turn_open_ && responded_) {
      EndStable();
      if (!options_.enable_thinking) return false;
      segments_.Format(absl::StrCat(kChannelBegin, kThoughtHeader));
      return true;
    }
    // A turn left open by calls without results is gone on with in the next prompt, not begun anew.
    if (turn_open_) EndStable();
    BeginModelTurn(/*is_stable=*/false);
    if (!options_.enable_thinking) {
      segments_.Format(absl::StrCat(kChannelBegin, kThoughtHeader, kChannelEnd));
    }
    return false;
  }

  ChatPrompt Take(bool ends_in_channel) {
    EndStable();
    return {segments_.Take(), *stable_bytes_, ends_in_channel};
  }

  void AppendBos() { segments_.Format(kBos); }

 private:
  void EndTurn() { segments_.Format(absl::StrCat(kTurnEnd, "\n")); }

  // What is written from here on may be another in the next prompt.
  void EndStable() {
    if (!stable_bytes_) stable_bytes_ = segments_.num_bytes();
  }

  // The token <|turn> is the same whatever follows; the words after it are merged with the next.
  void BeginModelTurn(bool is_stable) {
    segments_.Format(kTurnBegin);
    if (!is_stable) EndStable();
    segments_.Format("model\n");
  }

  absl::Status AppendUser(const ChatMessage& message) {
    if (turn_open_) EndTurn();
    turn_open_ = false;
    segments_.Format(absl::StrCat(kTurnBegin, "user\n"));
    RETURN_IF_ERROR(AppendUserContent(message.content, &segments_));
    EndTurn();
    return absl::OkStatus();
  }

  absl::Status AppendAssistant(const ChatMessage& message, bool is_recent) {
    const bool has_calls = !message.tool_calls.empty();
    ASSIGN_OR_RETURN(const std::string text, AssistantText(message.content));
    if (message.content.is_null() && !has_calls && message.reasoning.empty())
      return absl::InvalidArgumentError("`content` is missing");
    const bool is_kept = options_.preserve_thinking && has_calls;
    const bool shows_reasoning = !message.reasoning.empty() && (is_recent || is_kept);
    // Reasoning that the next user's message will hide, and all after it, is not stable.
    const bool is_stable = !shows_reasoning || is_kept;
    if (!turn_open_) {
      BeginModelTurn(is_stable);
    } else if (!is_stable) {
      EndStable();
    }
    if (shows_reasoning) AppendReasoning(message.reasoning);
    for (const ChatToolCall& call : message.tool_calls) RETURN_IF_ERROR(AppendCall(call));
    responded_ = false;
    if (has_calls) {
      caller_ = &message;
      caller_text_ = text;
    } else {
      EndModelMessage(text);
    }
    return absl::OkStatus();
  }

  void AppendReasoning(absl::string_view reasoning) {
    segments_.Format(absl::StrCat(kChannelBegin, kThoughtHeader));
    segments_.Quote(reasoning);
    segments_.Format(absl::StrCat("\n", kChannelEnd));
  }

  void EndModelMessage(absl::string_view text) {
    segments_.Quote(text);
    turn_open_ = caller_ != nullptr && text.empty();
    if (!turn_open_) EndTurn();
  }

  absl::Status AppendCall(const ChatToolCall& call) {
    if (!call.arguments.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the arguments of the call ", QuoteForMessage(call.id), " are of type ",
                       call.arguments.type_name(), ", expected an object"));
    }
    segments_.Format(absl::StrCat(kCallBegin, "call:"));
    segments_.Quote(call.name);
    RETURN_IF_ERROR(AppendChatValue(call.arguments, &segments_));
    segments_.Format(kCallEnd);
    return absl::OkStatus();
  }

  absl::Status AppendResult(const ChatMessage& message) {
    if (message.content.is_null()) return absl::InvalidArgumentError("`content` is missing");
    if (caller_ == nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(const absl::string_view name, NameOfTool(message.tool_call_id));
    segments_.Format(absl::StrCat(kResponseBegin, "response:"));
    segments_.Quote(name);
    RETURN_IF_ERROR(AppendResultContent(message.content, &segments_));
    segments_.Format(kResponseEnd);
    responded_ = true;
    return absl::OkStatus();
  }

  // Of the call that has this id, among those the results are of. Clients that count their ids from
  // one in each message are understood.
  absl::StatusOr<absl::string_view> NameOfTool(absl::string_view id) const {
    const ChatToolCall* found = nullptr;
    for (const ChatToolCall& call : caller_->tool_calls) {
      if (call.id != id) continue;
      if (found != nullptr) {
        return absl::InvalidArgumentError(absl::StrCat("`tool_call_id` is ", QuoteForMessage(id),
                                                       ", and more than one call has this id"));
      }
      found = &call;
    }
    if (found != nullptr) return found->name;
    return absl::InvalidArgumentError(
        absl::StrCat("`tool_call_id` is ", QuoteForMessage(id),
                     ", and no call of the assistant's message before has this id"));
  }

  const std::span<const ChatMessage> messages_;
  const ChatOptions options_;
  int64_t last_user_ = -1;
  ChatSegments segments_;
  std::optional<size_t> stable_bytes_;
  // The assistant's message whose results may follow, and its text; null when there is none.
  const ChatMessage* caller_ = nullptr;
  std::string caller_text_;
  // A model turn stays open over its calls and their results: the model goes on in it.
  bool turn_open_ = false;
  bool responded_ = false;  // a result came after the last assistant message
};

}  // namespace

absl::StatusOr<ChatPrompt> RenderChat(std::span<const ChatMessage> messages,
                                      std::span<const ChatJson> tools, const ChatOptions& options) {
  if (messages.empty()) return absl::InvalidArgumentError("there are no messages");
  Renderer renderer(messages, options);
  renderer.AppendBos();
  RETURN_IF_ERROR(renderer.AppendSystemTurn(tools));
  for (size_t i = 0; i < messages.size(); ++i) {
    RETURN_IF_ERROR(
        Annotate(renderer.AppendMessage(static_cast<int64_t>(i)), absl::StrCat("message ", i)));
  }
  renderer.EndMessage();
  const bool ends_in_channel = options.add_generation_prompt && renderer.AppendGenerationPrompt();
  return renderer.Take(ends_in_channel);
}

}  // namespace coterie

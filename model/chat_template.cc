#include "model/chat_template.h"

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"
#include "model/chat_value.h"
#include "model/python_text.h"
#include "model/tool_declaration.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// What an assistant said, without the channels that a client may have left in it.
std::string WithoutChannels(absl::string_view text) {
  std::string kept;
  for (absl::string_view part : absl::StrSplit(text, kChannelEnd)) {
    absl::StrAppend(&kept, part.substr(0, part.find(kChannelBegin)));
  }
  return std::string(PythonStrip(kept));
}

// Appends the `text` of each part of a list, and `after_each`.
absl::Status AppendParts(const ChatJson& parts, absl::string_view after_each,
                         ChatSegments* segments) {
  for (const ChatJson& part : parts) {
    const auto text = part.is_object() ? part.find("text") : part.end();
    if (text == part.end() || !text->is_string()) {
      return absl::InvalidArgumentError(
          "a part of `content` has no `text`; this server reads text only");
    }
    segments->Quote(text->get_ref<const std::string&>());
    segments->Quote(after_each);
  }
  return absl::OkStatus();
}

// What a system or user message says.
absl::Status AppendContent(const ChatJson& content, absl::string_view after_each_part,
                           ChatSegments* segments) {
  if (content.is_array()) return AppendParts(content, after_each_part, segments);
  if (content.is_string()) {
    segments->Quote(PythonStrip(content.get_ref<const std::string&>()));
    return absl::OkStatus();
  }
  if (content.is_null()) return absl::InvalidArgumentError("`content` is missing");
  return absl::InvalidArgumentError(
      absl::StrCat("`content` is of type ", content.type_name(), ", expected a string or a list"));
}

// Goes through a conversation once.
class Renderer {
 public:
  Renderer(std::span<const ChatMessage> messages, const ChatOptions& options)
      : messages_(messages), options_(options) {
    for (size_t i = 0; i < messages.size(); ++i) {
      if (messages[i].role == ChatRole::kUser) last_user_ = static_cast<int64_t>(i);
      // Of equal ids the last one counts, for results before it too: the template looks first.
      for (const ChatToolCall& call : messages[i].tool_calls) names_[call.id] = call.name;
    }
  }

  absl::Status AppendSystemTurn(std::span<const ChatJson> tools) {
    const bool has_message = messages_[0].role == ChatRole::kSystem;
    if (!has_message && tools.empty() && !options_.enable_thinking) return absl::OkStatus();
    segments_.Format(absl::StrCat(kTurnBegin, "system\n"));
    if (options_.enable_thinking) segments_.Format(absl::StrCat(kThink, "\n"));
    if (has_message) {
      RETURN_IF_ERROR(Annotate(AppendContent(messages_[0].content, " ", &segments_), "message 0"));
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

  // Where the model speaks next. True when that is inside an open channel.
  bool AppendGenerationPrompt() {
    if (turn_open_ && responded_) {
      if (!options_.enable_thinking) return false;
      segments_.Format(absl::StrCat(kChannelBegin, kThoughtHeader));
      return true;
    }
    segments_.Format(absl::StrCat(kTurnBegin, "model\n"));
    if (!options_.enable_thinking) {
      segments_.Format(absl::StrCat(kChannelBegin, kThoughtHeader, kChannelEnd));
    }
    return false;
  }

  void AppendBos() { segments_.Format(kBos); }
  std::vector<ChatSegment> TakeSegments() { return segments_.Take(); }

 private:
  void EndTurn() { segments_.Format(absl::StrCat(kTurnEnd, "\n")); }

  absl::Status AppendUser(const ChatMessage& message) {
    if (turn_open_) EndTurn();
    turn_open_ = false;
    segments_.Format(absl::StrCat(kTurnBegin, "user\n"));
    RETURN_IF_ERROR(AppendContent(message.content, "", &segments_));
    EndTurn();
    return absl::OkStatus();
  }

  absl::Status AppendAssistant(const ChatMessage& message, bool is_recent) {
    const bool has_calls = !message.tool_calls.empty();
    if (!message.content.is_string() && !message.content.is_null()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "`content` is of type ", message.content.type_name(), ", expected a string"));
    }
    if (message.content.is_null() && !has_calls && message.reasoning.empty())
      return absl::InvalidArgumentError("`content` is missing");
    if (!turn_open_) segments_.Format(absl::StrCat(kTurnBegin, "model\n"));
    if (!message.reasoning.empty() && (is_recent || (options_.preserve_thinking && has_calls))) {
      segments_.Format(absl::StrCat(kChannelBegin, kThoughtHeader));
      segments_.Quote(message.reasoning);
      segments_.Format(absl::StrCat("\n", kChannelEnd));
    }
    for (const ChatToolCall& call : message.tool_calls) RETURN_IF_ERROR(AppendCall(call));
    const std::string text = message.content.is_null()
                                 ? ""
                                 : WithoutChannels(message.content.get_ref<const std::string&>());
    segments_.Quote(text);
    turn_open_ = has_calls && text.empty();
    if (!turn_open_) EndTurn();
    responded_ = false;
    return absl::OkStatus();
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
    if (!turn_open_) return absl::OkStatus();
    const auto name = names_.find(message.tool_call_id);
    if (name == names_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("`tool_call_id` is ",
                                                     QuoteForMessage(message.tool_call_id),
                                                     ", and no call has this id"));
    }
    segments_.Format(absl::StrCat(kResponseBegin, "response:"));
    segments_.Quote(name->second);
    const bool is_object = message.content.is_object();
    if (!is_object) segments_.Format("{value:");
    RETURN_IF_ERROR(AppendChatValue(message.content, &segments_));
    segments_.Format(absl::StrCat(is_object ? "" : "}", kResponseEnd));
    responded_ = true;
    return absl::OkStatus();
  }

  const std::span<const ChatMessage> messages_;
  const ChatOptions options_;
  int64_t last_user_ = -1;
  absl::flat_hash_map<std::string, std::string> names_;  // call id → tool
  ChatSegments segments_;
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
  ChatPrompt prompt;
  if (options.add_generation_prompt) prompt.ends_in_channel = renderer.AppendGenerationPrompt();
  prompt.segments = renderer.TakeSegments();
  return prompt;
}

}  // namespace coterie

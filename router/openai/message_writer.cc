#include "router/openai/message_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/chat_json.h"
#include "router/openai/json_text.h"
#include "router/openai/output_parts.h"
#include "router/openai/sse.h"

namespace coterie {
namespace {

ChatJson MessageUsage(const AnswerUsage& usage) {
  ChatJson json = {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
                   {"cache_creation_input_tokens", 0},
                   {"cache_read_input_tokens", usage.cached_tokens},
                   {"output_tokens", usage.generated_tokens}};
  return json;
}

class MessageWriter : public ReplyWriter {
 public:
  MessageWriter(ReplyForm form, ReplyStamp stamp)
      : form_(std::move(form)), stamp_(std::move(stamp)) {}

  std::string Begin(const AnswerUsage& usage) override {
    if (!form_.stream) return "";
    ChatJson event = {{"type", "message_start"}};
    event["message"] = Message(usage);
    return Event(event);
  }

  std::string Add(const AnswerDelta& delta) override {
    std::string out = Write(parts_.Take(delta.events));
    if (delta.last) {
      finish_ = delta.finish;
      matched_stop_ = delta.matched_stop;
      out += Write(parts_.Finish());
    }
    return out;
  }

  std::string Finish(const AnswerUsage& usage) override {
    if (form_.stream) {
      ChatJson event = {{"type", "message_delta"}};
      SetStop(&event["delta"]);
      event["usage"] = MessageUsage(usage);
      return absl::StrCat(Event(event), Event({{"type", "message_stop"}}));
    }
    ChatJson message = Message(usage);
    for (const OutputPart& part : parts_.parts()) {
      ChatJson block = Block(part);
      if (part.kind == OutputPart::Kind::kText) block["text"] = part.text;
      if (part.kind == OutputPart::Kind::kReasoning) block["thinking"] = part.text;
      if (part.kind == OutputPart::Kind::kCall) block["input"] = Input(part.text);
      message["content"].push_back(std::move(block));
    }
    SetStop(&message);
    return DumpJson(message);
  }

  std::string Fail(const ApiError& error) override {
    return form_.stream ? SseEvent("error", error.AnthropicJson()) : error.AnthropicJson();
  }

  std::string KeepAlive() override { return Event({{"type", "ping"}}); }

 private:
  static std::string Event(const ChatJson& event) {
    return SseEvent(event["type"].get_ref<const std::string&>(), DumpJson(event));
  }

  // Complete arguments are valid JSON, but bytes that are no UTF-8 make ParseChatJson refuse them.
  static ChatJson Input(const std::string& arguments) {
    auto input = ParseChatJson(arguments);
    if (input.ok() && input->is_object()) return *std::move(input);
    return ChatJson::object({{"arguments", arguments}});
  }

  ChatJson Message(const AnswerUsage& usage) const {
    ChatJson message = {{"id", absl::StrCat("msg_", stamp_.token)},
                        {"type", "message"},
                        {"role", "assistant"},
                        {"model", stamp_.model}};
    message["content"] = ChatJson::array();
    message["stop_reason"] = nullptr;
    message["stop_sequence"] = nullptr;
    message["usage"] = MessageUsage(usage);
    return message;
  }

  // A block before anything is in it.
  ChatJson Block(const OutputPart& part) const {
    switch (part.kind) {
      case OutputPart::Kind::kReasoning:
        return {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
      case OutputPart::Kind::kText:
        return {{"type", "text"}, {"text", ""}};
      case OutputPart::Kind::kCall:
        break;
    }
    ChatJson block = {{"type", "tool_use"},
                      {"id", absl::StrCat("toolu_", stamp_.token, "x", part.call_index)},
                      {"name", part.name}};
    block["input"] = ChatJson::object();
    return block;
  }

  std::string Write(const std::vector<PartEvent>& events) const {
    std::string out;
    if (!form_.stream) return out;
    for (const PartEvent& event : events) out += Write(event);
    return out;
  }

  std::string Write(const PartEvent& event) const {
    const OutputPart& part = parts_.parts()[event.part];
    ChatJson json = {{"type", "content_block_stop"}, {"index", event.part}};
    if (event.kind == PartEvent::Kind::kBegin) {
      json["type"] = "content_block_start";
      json["content_block"] = Block(part);
    } else if (event.kind == PartEvent::Kind::kMore) {
      json["type"] = "content_block_delta";
      switch (part.kind) {
        case OutputPart::Kind::kReasoning:
          json["delta"] = {{"type", "thinking_delta"}, {"thinking", event.text}};
          break;
        case OutputPart::Kind::kText:
          json["delta"] = {{"type", "text_delta"}, {"text", event.text}};
          break;
        case OutputPart::Kind::kCall:
          json["delta"] = {{"type", "input_json_delta"}, {"partial_json", event.text}};
          break;
      }
    }
    return Event(json);
  }

  void SetStop(ChatJson* json) const {
    const bool found = finish_ == FinishReason::kStop && !matched_stop_.empty();
    (*json)["stop_reason"] = StopReason();
    (*json)["stop_sequence"] = found ? ChatJson(matched_stop_) : ChatJson();
  }

  const char* StopReason() const {
    switch (finish_) {
      case FinishReason::kLength:
      case FinishReason::kRepetition:
      case FinishReason::kToolLoop:
        return "max_tokens";
      default:
        if (parts_.num_calls() > 0) return "tool_use";
        return matched_stop_.empty() ? "end_turn" : "stop_sequence";
    }
  }

  const ReplyForm form_;
  const ReplyStamp stamp_;
  OutputParts parts_;
  FinishReason finish_ = FinishReason::kNone;
  std::string matched_stop_;
};

}  // namespace

std::unique_ptr<ReplyWriter> MakeMessageWriter(ReplyForm form, ReplyStamp stamp) {
  return std::make_unique<MessageWriter>(std::move(form), std::move(stamp));
}

}  // namespace coterie

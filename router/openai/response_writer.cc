#include "router/openai/response_writer.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/chat_json.h"
#include "router/openai/json_text.h"
#include "router/openai/output_parts.h"
#include "router/openai/reply_parts.h"
#include "router/openai/response_item.h"
#include "router/openai/sse.h"

namespace coterie {
namespace {

ChatJson ResponseUsage(const AnswerUsage& usage) {
  ChatJson json = {{"input_tokens", usage.prompt_tokens}};
  json["input_tokens_details"] = {{"cached_tokens", usage.cached_tokens},
                                  {"cache_write_tokens", 0}};
  json["output_tokens"] = usage.generated_tokens;
  json["output_tokens_details"]["reasoning_tokens"] = usage.reasoning_tokens;
  json["total_tokens"] = usage.prompt_tokens + usage.generated_tokens;
  return json;
}

class ResponseWriter : public ReplyWriter {
 public:
  ResponseWriter(ReplyForm form, ReplyStamp stamp)
      : form_(std::move(form)), stamp_(std::move(stamp)) {}

  std::string Begin(const AnswerUsage& /*usage*/) override {
    if (!form_.stream) return "";
    std::string out;
    for (const char* name : {"response.created", "response.in_progress"}) {
      out += ResponseEvent(name, Response("in_progress"));
    }
    return out;
  }

  std::string Add(const AnswerDelta& delta) override {
    if (form_.logprobs) {
      for (ChatJson& token : LogprobsJson(delta.tokens)) tokens_.push_back(std::move(token));
    }
    std::string out = Write(parts_.Take(delta.events));
    if (delta.last) {
      finish_ = delta.finish;
      out += Write(parts_.Finish());
    }
    return out;
  }

  std::string Finish(const AnswerUsage& usage) override {
    const bool is_cut = IsCut();
    ChatJson response = Response(is_cut ? "incomplete" : "completed");
    if (is_cut) response["incomplete_details"] = {{"reason", "max_output_tokens"}};
    AddOutput(&response);
    response["usage"] = ResponseUsage(usage);
    if (!form_.stream) return DumpJson(response);
    return ResponseEvent(is_cut ? "response.incomplete" : "response.completed",
                         std::move(response));
  }

  std::string Fail(const ApiError& error) override {
    if (!form_.stream) return error.OpenAiJson();
    ChatJson response = Response("failed");
    AddOutput(&response);
    const bool is_busy = error.http_status == 429;
    response["error"] = {{"code", is_busy ? "rate_limit_exceeded" : "server_error"},
                         {"message", error.message}};
    return ResponseEvent("response.failed", std::move(response));
  }

 private:
  bool IsCut() const {
    return finish_ == FinishReason::kLength || finish_ == FinishReason::kRepetition ||
           finish_ == FinishReason::kToolLoop;
  }

  ResponseItem Item(size_t index) const {
    return ResponseItem(&parts_.parts()[index], index, &stamp_);
  }

  ChatJson Response(const char* status) const {
    ChatJson response = {{"id", absl::StrCat("resp_", stamp_.token)},
                         {"object", "response"},
                         {"created_at", stamp_.created},
                         {"status", status},
                         {"error", nullptr},
                         {"incomplete_details", nullptr},
                         {"model", stamp_.model}};
    response["output"] = ChatJson::array();
    for (const auto& [name, value] : form_.echo.items()) response[name] = value;
    response["usage"] = nullptr;
    return response;
  }

  void AddOutput(ChatJson* response) const {
    const size_t num_items = parts_.parts().size();
    for (size_t i = 0; i < num_items; ++i) {
      // Only what was going on when the limit came is incomplete.
      const bool is_cut =
          IsCut() && i + 1 == num_items && parts_.parts()[i].kind != OutputPart::Kind::kCall;
      (*response)["output"].push_back(
          Item(i).Json(is_cut ? "incomplete" : "completed", LogprobsOf(i)));
    }
  }

  // The tokens of the whole answer stand with its first text: which of them spelled what is not
  // known here.
  ChatJson LogprobsOf(size_t index) const {
    for (size_t i = 0; i < index; ++i) {
      if (parts_.parts()[i].kind == OutputPart::Kind::kText) return ChatJson::array();
    }
    return tokens_;
  }

  std::string ResponseEvent(const char* name, ChatJson response) {
    ChatJson event;
    event["response"] = std::move(response);
    return Event(name, std::move(event));
  }

  std::string Event(absl::string_view name, ChatJson fields) {
    ChatJson event = {{"type", name}, {"sequence_number", sequence_number_++}};
    event.update(fields);
    return SseEvent(name, DumpJson(event));
  }

  // An event of the content of an item.
  std::string ContentEvent(absl::string_view name, size_t index, const char* field,
                           ChatJson value) {
    const OutputPart& part = parts_.parts()[index];
    ChatJson event = {{"item_id", Item(index).Id()}, {"output_index", index}};
    if (part.kind != OutputPart::Kind::kCall) event["content_index"] = 0;
    event[field] = std::move(value);
    const bool is_text = part.kind == OutputPart::Kind::kText;
    if (is_text && field != absl::string_view("part")) event["logprobs"] = ChatJson::array();
    return Event(name, std::move(event));
  }

  std::string ItemEvent(const char* name, size_t index, const char* status) {
    ChatJson event = {{"output_index", index}};
    event["item"] = Item(index).Json(status);
    return Event(name, std::move(event));
  }

  std::string Write(const std::vector<PartEvent>& events) {
    std::string out;
    if (!form_.stream) return out;
    for (const PartEvent& event : events) out += Write(event);
    return out;
  }

  std::string Write(const PartEvent& event) {
    const OutputPart& part = parts_.parts()[event.part];
    const ResponseItem item = Item(event.part);
    const bool is_call = part.kind == OutputPart::Kind::kCall;
    if (event.kind == PartEvent::Kind::kMore) {
      return ContentEvent(absl::StrCat(item.EventName(), ".delta"), event.part, "delta",
                          event.text);
    }
    if (event.kind == PartEvent::Kind::kBegin) {
      std::string out = ItemEvent("response.output_item.added", event.part, "in_progress");
      if (is_call) return out;
      return out +
             ContentEvent("response.content_part.added", event.part, "part", item.Content(""));
    }
    std::string out = ContentEvent(absl::StrCat(item.EventName(), ".done"), event.part,
                                   is_call ? "arguments" : "text", part.text);
    if (!is_call) {
      out +=
          ContentEvent("response.content_part.done", event.part, "part", item.Content(part.text));
    }
    return out + ItemEvent("response.output_item.done", event.part, "completed");
  }

  const ReplyForm form_;
  const ReplyStamp stamp_;
  OutputParts parts_;
  ChatJson tokens_ = ChatJson::array();
  FinishReason finish_ = FinishReason::kNone;
  int64_t sequence_number_ = 0;
};

}  // namespace

std::unique_ptr<ReplyWriter> MakeResponseWriter(ReplyForm form, ReplyStamp stamp) {
  return std::make_unique<ResponseWriter>(std::move(form), std::move(stamp));
}

}  // namespace coterie

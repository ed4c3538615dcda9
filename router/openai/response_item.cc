#include "router/openai/response_item.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace coterie {

std::string ResponseItem::Id() const {
  switch (part_.kind) {
    case OutputPart::Kind::kReasoning:
      return absl::StrCat("rs_", stamp_.token, "x", index_);
    case OutputPart::Kind::kText:
      return absl::StrCat("msg_", stamp_.token, "x", index_);
    case OutputPart::Kind::kCall:
      break;
  }
  return absl::StrCat("fc_", stamp_.token, "x", index_);
}

ChatJson ResponseItem::Content(const std::string& text, ChatJson logprobs) const {
  if (part_.kind == OutputPart::Kind::kReasoning) {
    return {{"type", "reasoning_text"}, {"text", text}};
  }
  ChatJson content = {{"type", "output_text"}, {"text", text}};
  content["annotations"] = ChatJson::array();
  content["logprobs"] = std::move(logprobs);
  return content;
}

ChatJson ResponseItem::Json(const char* status, ChatJson logprobs) const {
  const bool is_new = absl::string_view(status) == "in_progress";
  ChatJson json = {{"id", Id()}};
  json["type"] = "function_call";
  json["status"] = status;
  if (part_.kind == OutputPart::Kind::kCall) {
    json["call_id"] = absl::StrCat("call_", stamp_.token, "x", part_.call_index);
    json["name"] = part_.name;
    json["arguments"] = is_new ? "" : part_.text;
    return json;
  }
  if (part_.kind == OutputPart::Kind::kReasoning) {
    json["type"] = "reasoning";
    json["summary"] = ChatJson::array();
  } else {
    json["type"] = "message";
    json["role"] = "assistant";
  }
  json["content"] = ChatJson::array();
  if (!is_new) json["content"].push_back(Content(part_.text, std::move(logprobs)));
  return json;
}

const char* ResponseItem::EventName() const {
  switch (part_.kind) {
    case OutputPart::Kind::kReasoning:
      return "response.reasoning_text";
    case OutputPart::Kind::kText:
      return "response.output_text";
    case OutputPart::Kind::kCall:
      break;
  }
  return "response.function_call_arguments";
}

}  // namespace coterie

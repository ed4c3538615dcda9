#include "model/chat_content.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"
#include "model/chat_value.h"
#include "model/python_text.h"

namespace coterie {
namespace {

absl::Status CheckStringOrList(const ChatJson& content) {
  if (content.is_string() || content.is_array()) return absl::OkStatus();
  if (content.is_null()) return absl::InvalidArgumentError("`content` is missing");
  return absl::InvalidArgumentError(
      absl::StrCat("`content` is of type ", content.type_name(), ", expected a string or a list"));
}

absl::StatusOr<absl::string_view> TextOfPart(const ChatJson& part) {
  const auto text = part.is_object() ? part.find("text") : part.end();
  if (text == part.end() || !text->is_string()) {
    return absl::InvalidArgumentError(
        "a part of `content` has no `text`; this server reads text only");
  }
  return text->get_ref<const std::string&>();
}

std::string WithoutChannels(absl::string_view text) {
  std::string kept;
  for (absl::string_view part : absl::StrSplit(text, kChannelEnd)) {
    absl::StrAppend(&kept, part.substr(0, part.find(kChannelBegin)));
  }
  return std::string(PythonStrip(kept));
}

bool IsTextPart(const ChatJson& part) {
  if (!part.is_object()) return false;
  const auto type = part.find("type");
  return type != part.end() && *type == "text" && TextOfPart(part).ok();
}

}  // namespace

absl::Status AppendSystemContent(const ChatJson& content, ChatSegments* segments) {
  if (content.is_string()) return AppendUserContent(content, segments);
  RETURN_IF_ERROR(CheckStringOrList(content));
  for (const ChatJson& part : content) {
    ASSIGN_OR_RETURN(const absl::string_view text, TextOfPart(part));
    segments->Quote(text);
    segments->Quote(" ");
  }
  return absl::OkStatus();
}

absl::Status AppendUserContent(const ChatJson& content, ChatSegments* segments) {
  RETURN_IF_ERROR(CheckStringOrList(content));
  if (content.is_string()) {
    segments->Quote(PythonStrip(content.get_ref<const std::string&>()));
    return absl::OkStatus();
  }
  for (const ChatJson& part : content) {
    ASSIGN_OR_RETURN(const absl::string_view text, TextOfPart(part));
    segments->Quote(PythonStrip(text));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AssistantText(const ChatJson& content) {
  if (content.is_null()) return std::string();
  RETURN_IF_ERROR(CheckStringOrList(content));
  if (content.is_string()) return WithoutChannels(content.get_ref<const std::string&>());
  std::string said;
  for (const ChatJson& part : content) {
    ASSIGN_OR_RETURN(const absl::string_view text, TextOfPart(part));
    said += WithoutChannels(text);
  }
  return said;
}

absl::Status AppendResultContent(const ChatJson& content, ChatSegments* segments) {
  if (content.is_null()) return absl::InvalidArgumentError("`content` is missing");
  if (content.is_object()) return AppendChatValue(content, segments);
  segments->Format("{value:");
  if (content.is_array() && !content.empty() &&
      std::all_of(content.begin(), content.end(), IsTextPart)) {
    std::string said;
    for (const ChatJson& part : content) absl::StrAppend(&said, *TextOfPart(part));
    AppendChatString(said, segments);
  } else {
    RETURN_IF_ERROR(AppendChatValue(content, segments));
  }
  segments->Format("}");
  return absl::OkStatus();
}

}  // namespace coterie

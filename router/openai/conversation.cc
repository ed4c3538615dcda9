#include "router/openai/conversation.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/field_reader.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

// What a system message says, the parts of a list as the chat format joins them.
std::string SystemText(const ChatJson& content) {
  if (content.is_string()) return content.get_ref<const std::string&>();
  std::string text;
  for (const ChatJson& part : content) {
    absl::StrAppend(&text, part.is_object() ? part.value("text", std::string()) : "", " ");
  }
  return text;
}

bool IsText(const ChatJson& content) { return content.is_string() || content.is_array(); }

// The text of one part.
absl::StatusOr<std::string> ReadTextPart(const ChatJson& part, const std::string& path) {
  FieldReader fields(part, path);
  std::string type = "text", text;
  fields.String("type", SIZE_MAX, &type);
  RETURN_IF_ERROR(fields.status());
  const bool is_refusal = type == "refusal";
  if (!is_refusal && type != "text" && type != "input_text" && type != "output_text") {
    return InvalidField(fields.PathOf("type"),
                        absl::StrCat("`", path, "` is of type \"", type.substr(0, 32),
                                     "\"; this model is served for text only"));
  }
  const char* name = is_refusal ? "refusal" : "text";
  fields.Require(name);
  fields.String(name, SIZE_MAX, &text);
  RETURN_IF_ERROR(fields.status());
  return text;
}

}  // namespace

void Conversation::AddSystem(std::string text) {
  ChatMessage message;
  message.role = ChatRole::kSystem;
  message.content = std::move(text);
  Add(std::move(message));
}

void Conversation::Add(ChatMessage message) {
  if (message.role != ChatRole::kSystem || messages_.empty()) {
    messages_.push_back(std::move(message));
    return;
  }
  ChatMessage& first = messages_.front();
  const bool at_beginning = messages_.size() == 1 && first.role == ChatRole::kSystem;
  if (at_beginning && IsText(first.content) && IsText(message.content)) {
    first.content = absl::StrCat(SystemText(first.content), "\n\n", SystemText(message.content));
    return;
  }
  message.role = ChatRole::kUser;
  messages_.push_back(std::move(message));
}

absl::StatusOr<std::vector<std::string>> ReadTextParts(const ChatJson& parts,
                                                       absl::string_view path) {
  if (!parts.is_array()) {
    return InvalidField(path, absl::StrCat("`", path, "` is ", TypeOf(parts),
                                           ", expected a string or an array of parts"));
  }
  std::vector<std::string> texts;
  for (size_t i = 0; i < parts.size(); ++i) {
    ASSIGN_OR_RETURN(std::string text, ReadTextPart(parts[i], absl::StrCat(path, "[", i, "]")));
    texts.push_back(std::move(text));
  }
  return texts;
}

absl::StatusOr<std::string> ReadText(const ChatJson& content, absl::string_view path,
                                     absl::string_view between) {
  if (content.is_null()) return std::string();
  if (content.is_string()) return content.get_ref<const std::string&>();
  ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadTextParts(content, path));
  return absl::StrJoin(texts, between);
}

absl::StatusOr<ChatJson> ReadArguments(const ChatJson& arguments, absl::string_view path) {
  if (arguments.is_object()) return arguments;
  if (!arguments.is_string()) {
    return InvalidField(path, absl::StrCat("`", path, "` is ", TypeOf(arguments),
                                           ", expected a string with a JSON object"));
  }
  const std::string& text = arguments.get_ref<const std::string&>();
  if (text.empty()) return ChatJson::object();
  auto parsed = ParseChatJson(text);
  if (!parsed.ok()) {
    return InvalidField(
        path, absl::StrCat("`", path, "` is no JSON object: ", parsed.status().message()));
  }
  if (parsed->is_object()) return parsed;
  return InvalidField(
      path, absl::StrCat("`", path, "` holds ", TypeOf(*parsed), ", expected a JSON object"));
}

}  // namespace coterie

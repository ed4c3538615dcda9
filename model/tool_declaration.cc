#include "model/tool_declaration.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"
#include "model/chat_value.h"
#include "model/python_text.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// The field of an object; null when it is absent, or when `value` is no object (`true` is a
// schema).
const ChatJson& Field(const ChatJson& value, const char* name) {
  static const ChatJson* const null = new ChatJson();
  if (!value.is_object()) return *null;
  const auto found = value.find(name);
  return found == value.end() ? *null : *found;
}

bool Has(const ChatJson& value, const char* name) {
  return value.is_object() && value.contains(name);
}

// The text of a `type` in capitals.
absl::StatusOr<std::string> TypeText(const ChatJson& schema) {
  if (!Has(schema, "type")) return std::string();
  ASSIGN_OR_RETURN(const std::string type, PythonText(Field(schema, "type")));
  for (char c : type) {
    if (absl::ascii_isascii(static_cast<unsigned char>(c))) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the type ", QuoteForMessage(type), " is none of JSON schema's"));
  }
  return absl::AsciiStrToUpper(type);
}

absl::Status AppendRequired(const ChatJson& required, ChatSegments* segments) {
  if (!required.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat("`required` is of type ", required.type_name(), ", expected a list of names"));
  }
  segments->Format("required:");
  absl::string_view separator = "[";
  for (const ChatJson& item : required) {
    ASSIGN_OR_RETURN(const std::string name, PythonText(item));
    segments->Format(separator);
    AppendChatString(name, segments);
    separator = ",";
  }
  segments->Format("],");
  return absl::OkStatus();
}

absl::Status AppendDescription(const ChatJson& schema, ChatSegments* segments) {
  if (!PythonTruth(Field(schema, "description"))) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string description, PythonText(Field(schema, "description")));
  segments->Format("description:");
  AppendChatString(description, segments);
  segments->Format(",");
  return absl::OkStatus();
}

absl::Status AppendTypeAtEnd(const ChatJson& schema, ChatSegments* segments) {
  ASSIGN_OR_RETURN(const std::string type, TypeText(schema));
  segments->Format("type:");
  AppendChatString(type, segments);
  segments->Format("}");
  return absl::OkStatus();
}

absl::Status AppendSchema(const ChatJson& schema, int depth, ChatSegments* segments);

absl::Status AppendProperties(const ChatJson& properties, int depth, ChatSegments* segments) {
  segments->Format("properties:");
  absl::string_view separator = "{";
  for (const auto& [name, schema] : SortedEntries(properties)) {
    segments->Format(separator);
    segments->Quote(name);
    segments->Format(":");
    RETURN_IF_ERROR(Annotate(AppendSchema(*schema, depth + 1, segments),
                             absl::StrCat("property ", QuoteForMessage(name))));
    separator = ",";
  }
  segments->Format(properties.empty() ? "{}," : "},");
  return absl::OkStatus();
}

absl::Status AppendSchema(const ChatJson& schema, int depth, ChatSegments* segments) {
  if (depth > kChatDepthMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("the schema nests deeper than ", kChatDepthMax, " levels"));
  }
  segments->Format("{");
  RETURN_IF_ERROR(AppendDescription(schema, segments));
  ASSIGN_OR_RETURN(const std::string type, TypeText(schema));
  if (type == "STRING" && PythonTruth(Field(schema, "enum"))) {
    segments->Format("enum:");
    RETURN_IF_ERROR(AppendChatValue(Field(schema, "enum"), segments));
    segments->Format(",");
  }
  if (type == "ARRAY" && Field(schema, "items").is_object()) {
    segments->Format("items:");
    RETURN_IF_ERROR(Annotate(AppendSchema(Field(schema, "items"), depth + 1, segments), "items"));
    segments->Format(",");
  }
  if (PythonTruth(Field(schema, "nullable"))) segments->Format("nullable:true,");
  if (type == "OBJECT" && Field(schema, "properties").is_object()) {
    RETURN_IF_ERROR(AppendProperties(Field(schema, "properties"), depth, segments));
  }
  if (type == "OBJECT" && PythonTruth(Field(schema, "required"))) {
    RETURN_IF_ERROR(AppendRequired(Field(schema, "required"), segments));
  }
  return AppendTypeAtEnd(schema, segments);
}

// The outermost schema: an object whatever its type says, and without a description of its own.
absl::Status AppendParameters(const ChatJson& parameters, ChatSegments* segments) {
  if (!parameters.is_object()) return absl::InvalidArgumentError("`parameters` is no object");
  segments->Format(",parameters:{");
  const ChatJson& properties = Field(parameters, "properties");
  if (PythonTruth(properties)) {
    if (!properties.is_object()) return absl::InvalidArgumentError("`properties` is no object");
    RETURN_IF_ERROR(AppendProperties(properties, 0, segments));
  }
  if (PythonTruth(Field(parameters, "required"))) {
    RETURN_IF_ERROR(AppendRequired(Field(parameters, "required"), segments));
  }
  return AppendTypeAtEnd(parameters, segments);
}

// What the tool answers with: no more than a description and a type.
absl::Status AppendResponse(const ChatJson& response, ChatSegments* segments) {
  if (!response.is_object()) return absl::InvalidArgumentError("`response` is no object");
  segments->Format(",response:{");
  RETURN_IF_ERROR(AppendDescription(response, segments));
  return AppendTypeAtEnd(response, segments);
}

}  // namespace

absl::Status AppendToolDeclaration(const ChatJson& tool, ChatSegments* segments) {
  const ChatJson& function = Field(tool, "function");
  const ChatJson& name = Field(function, "name");
  if (!name.is_string() || name.get_ref<const std::string&>().empty())
    return absl::InvalidArgumentError("`function` has no name");
  segments->Format(absl::StrCat(kToolBegin, "declaration:"));
  segments->Quote(name.get_ref<const std::string&>());
  segments->Format("{description:");
  std::string description;
  if (Has(function, "description")) {
    ASSIGN_OR_RETURN(description, PythonText(Field(function, "description")));
  }
  AppendChatString(description, segments);
  const ChatJson& parameters = Field(function, "parameters");
  if (PythonTruth(parameters)) RETURN_IF_ERROR(AppendParameters(parameters, segments));
  const ChatJson& response = Field(function, "response");
  if (PythonTruth(response)) RETURN_IF_ERROR(AppendResponse(response, segments));
  segments->Format(absl::StrCat("}", kToolEnd));
  return absl::OkStatus();
}

}  // namespace coterie

#include "router/grammar/schema_keywords.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

bool IsOneOf(absl::string_view word, std::initializer_list<absl::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool OnlyDescribes(absl::string_view word) {
  return absl::StartsWith(word, "x-") || IsOneOf(word, {"title",
                                                        "description",
                                                        "default",
                                                        "examples",
                                                        "example",
                                                        "$schema",
                                                        "$id",
                                                        "id",
                                                        "$comment",
                                                        "deprecated",
                                                        "readOnly",
                                                        "writeOnly",
                                                        "strict",
                                                        "$defs",
                                                        "definitions",
                                                        "discriminator",
                                                        "xml",
                                                        "externalDocs",
                                                        "contentMediaType",
                                                        "contentEncoding",
                                                        "$vocabulary",
                                                        "$anchor",
                                                        "name"});
}

bool IsRead(absl::string_view word) {
  return IsOneOf(word, {"type",        "nullable",
                        "enum",        "const",
                        "anyOf",       "oneOf",
                        "allOf",       "$ref",
                        "minimum",     "exclusiveMinimum",
                        "properties",  "required",
                        "maximum",     "exclusiveMaximum",
                        "items",       "additionalProperties",
                        "pattern",     "format",
                        "prefixItems", "additionalItems",
                        "minItems",    "maxItems",
                        "minLength",   "maxLength"});
}

size_t SizeOf(const ChatJson& schema, const char* name) {
  const ChatJson* const field = FieldOf(schema, name);
  return field != nullptr && field->is_structured() ? field->size() : 0;
}

// True for a keyword that is not implemented but does not restrict anything either.
bool RestrictsNothing(const ChatJson& schema, absl::string_view word, const ChatJson& value) {
  if (IsOneOf(word, {"uniqueItems", "unevaluatedItems", "unevaluatedProperties"}))
    return value.is_boolean() && value.get<bool>() == (word != "uniqueItems");
  if (IsOneOf(word, {"patternProperties", "dependentRequired", "dependentSchemas", "dependencies"}))
    return value.is_object() && value.empty();
  if (word == "propertyNames") return value == ChatJson(true) || value == ChatJson::object();
  if (word == "multipleOf")
    return value == ChatJson(1) && schema.value("type", ChatJson()) == "integer";
  if (word == "minProperties")
    return value.is_number_unsigned() && value.get<uint64_t>() <= SizeOf(schema, "required");
  if (word == "maxProperties") {
    return value.is_number_unsigned() && value.get<uint64_t>() >= SizeOf(schema, "properties") &&
           schema.value("additionalProperties", ChatJson()) == ChatJson(false);
  }
  if (word == "minContains" || word == "maxContains") return !schema.contains("contains");
  return false;
}

// What type a keyword is about, when it is about one.
absl::string_view TypeOfKeyword(absl::string_view word) {
  if (IsOneOf(word, {"properties", "required", "additionalProperties"})) return "object";
  if (IsOneOf(word, {"items", "prefixItems", "additionalItems", "minItems", "maxItems"}))
    return "array";
  if (IsOneOf(word, {"pattern", "format", "minLength", "maxLength"})) return "string";
  if (IsOneOf(word, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}))
    return "number";
  return "";
}

}  // namespace

const ChatJson* FieldOf(const ChatJson& schema, const char* name) {
  const auto found = schema.find(name);
  return found == schema.end() ? nullptr : &*found;
}

absl::Status CheckKeywords(const ChatJson& schema) {
  for (const auto& [word, value] : schema.items()) {
    if (OnlyDescribes(word) || IsRead(word) || RestrictsNothing(schema, word, value)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the keyword ", Quoted(word), " is not supported",
        word == "minProperties" || word == "maxProperties" ? " with these properties" : ""));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> TypesOf(const ChatJson& schema) {
  std::vector<std::string> types;
  const auto add = [&](absl::string_view type) {
    if (std::find(types.begin(), types.end(), type) == types.end()) types.emplace_back(type);
  };
  const ChatJson* const type = FieldOf(schema, "type");
  if (type == nullptr) {
    for (const auto& item : schema.items()) {
      const absl::string_view about = TypeOfKeyword(item.key());
      if (!about.empty()) add(about);
    }
    return types;
  }
  const auto add_named = [&](const ChatJson& name) -> absl::Status {
    if (!name.is_string() ||
        !IsOneOf(name.get_ref<const std::string&>(),
                 {"null", "boolean", "integer", "number", "string", "object", "array"})) {
      return absl::InvalidArgumentError("`type` names none of JSON schema's types");
    }
    add(name.get_ref<const std::string&>());
    return absl::OkStatus();
  };
  if (!type->is_array()) {
    RETURN_IF_ERROR(add_named(*type));
  } else {
    if (type->empty()) return absl::InvalidArgumentError("`type` is an empty list");
    for (const ChatJson& name : *type) RETURN_IF_ERROR(add_named(name));
  }
  // Whole numbers are numbers.
  const bool has_number = std::find(types.begin(), types.end(), "number") != types.end();
  if (has_number) std::erase(types, "integer");
  return types;
}

absl::StatusOr<int64_t> CountKeyword(const ChatJson& schema, const char* name, int64_t missing,
                                     int64_t max) {
  const ChatJson* const field = FieldOf(schema, name);
  if (field == nullptr) return missing;
  const double value = field->is_number() ? field->get<double>() : -1;
  if (!(value >= 0) || value != std::floor(value)) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "` is no count"));
  }
  if (value > static_cast<double>(max)) {
    return absl::InvalidArgumentError(absl::StrCat("`", name, "` is more than ", max));
  }
  return static_cast<int64_t>(value);
}

}  // namespace coterie

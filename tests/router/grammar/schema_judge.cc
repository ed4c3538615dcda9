#include "tests/router/grammar/schema_judge.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <regex>
#include <string>

namespace coterie {
namespace {

bool IsOfType(const ChatJson& value, const std::string& type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_boolean();
  if (type == "string") return value.is_string();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "number") return value.is_number();
  return value.is_number_integer() ||
         (value.is_number() && value.get<double>() == std::floor(value.get<double>()));
}

int64_t Characters(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

bool NumberFits(const ChatJson& value, const ChatJson& schema) {
  if (!value.is_number()) return true;
  const double number = value.get<double>();
  const auto limit = [&](const char* name, const char* exclusive_name, auto within) {
    const auto keeps = [&](const char* word, bool exclusive) {
      if (!schema.contains(word) || !schema[word].is_number()) return true;
      return within(number, schema[word].get<double>()) ||
             (!exclusive && number == schema[word].get<double>());
    };
    // Draft 4 has a truth value there.
    const bool strict = schema.contains(exclusive_name) && schema[exclusive_name] == true;
    return keeps(name, strict) && keeps(exclusive_name, true);
  };
  return limit("minimum", "exclusiveMinimum", std::greater<double>()) &&
         limit("maximum", "exclusiveMaximum", std::less<double>());
}

bool CountFits(int64_t count, const ChatJson& schema, const char* min, const char* max) {
  return !(schema.contains(min) && count < schema[min].get<int64_t>()) &&
         !(schema.contains(max) && count > schema[max].get<int64_t>());
}

bool StringFits(const ChatJson& value, const ChatJson& schema) {
  if (!value.is_string()) return true;
  const auto& text = value.get_ref<const std::string&>();
  if (!CountFits(Characters(text), schema, "minLength", "maxLength")) return false;
  if (!schema.contains("pattern")) return true;
  // Of bytes: patterns in tests name ASCII, or any text.
  return std::regex_search(text, std::regex(schema["pattern"].get<std::string>()));
}

bool ArrayFits(const ChatJson& value, const ChatJson& schema, const ChatJson& document) {
  if (!value.is_array()) return true;
  if (!CountFits(static_cast<int64_t>(value.size()), schema, "minItems", "maxItems")) return false;
  const size_t num_prefix = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
  for (size_t i = 0; i < value.size(); ++i) {
    if (i < num_prefix) {
      if (!Satisfies(value[i], schema["prefixItems"][i], document)) return false;
    } else if (schema.contains("items") && !Satisfies(value[i], schema["items"], document)) {
      return false;
    }
  }
  return true;
}

bool ObjectFits(const ChatJson& value, const ChatJson& schema, const ChatJson& document) {
  if (!value.is_object()) return true;
  if (schema.contains("required")) {
    for (const ChatJson& name : schema["required"]) {
      if (!value.contains(name.get<std::string>())) return false;
    }
  }
  for (const auto& [name, inner] : value.items()) {
    if (schema.contains("properties") && schema["properties"].contains(name)) {
      if (!Satisfies(inner, schema["properties"][name], document)) return false;
    } else if (schema.contains("additionalProperties")) {
      if (!Satisfies(inner, schema["additionalProperties"], document)) return false;
    }
  }
  return true;
}

int NumSatisfied(const ChatJson& value, const ChatJson& options, const ChatJson& document) {
  return static_cast<int>(
      std::count_if(options.begin(), options.end(),
                    [&](const ChatJson& option) { return Satisfies(value, option, document); }));
}

}  // namespace

bool Satisfies(const ChatJson& value, const ChatJson& schema, const ChatJson& document) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("nullable") && schema["nullable"] == true && value.is_null()) return true;
  if (schema.contains("type")) {
    const ChatJson& type = schema["type"];
    const bool fits = type.is_array()
                          ? std::any_of(type.begin(), type.end(),
                                        [&](const ChatJson& one) {
                                          return IsOfType(value, one.get<std::string>());
                                        })
                          : IsOfType(value, type.get<std::string>());
    if (!fits) return false;
  }
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end()) {
    return false;
  }
  if (schema.contains("const") && schema["const"] != value) return false;
  if (schema.contains("$ref")) {
    const std::string ref = schema["$ref"].get<std::string>();
    if (!Satisfies(value, document[ChatJson::json_pointer(ref.substr(1))], document)) return false;
  }
  if (schema.contains("anyOf") && NumSatisfied(value, schema["anyOf"], document) == 0) return false;
  if (schema.contains("oneOf") && NumSatisfied(value, schema["oneOf"], document) != 1) return false;
  if (schema.contains("allOf") &&
      NumSatisfied(value, schema["allOf"], document) != static_cast<int>(schema["allOf"].size())) {
    return false;
  }
  return NumberFits(value, schema) && StringFits(value, schema) &&
         ArrayFits(value, schema, document) && ObjectFits(value, schema, document);
}

}  // namespace coterie

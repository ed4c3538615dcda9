#include "tests/router/grammar/schema_draws.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {
namespace {

constexpr int kDepthMax = 3;

struct Pattern {
  const char* pattern;
  const char* example;
};
constexpr Pattern kPatterns[] = {{"^[a-c]{2,4}$", "abc"},
                                 {"^(foo|bar)+$", "foobar"},
                                 {"^\\d{3}-\\d{2}$", "123-45"},
                                 {"^[^a-z]*$", "A\"\\ 1"},
                                 {"b+", "abba"},
                                 {"^x?y*z$", "xyyz"}};

}  // namespace

ChatJson SchemaDraws::ObjectSchema() { return DrawObject(0); }

ChatJson SchemaDraws::Draw(int depth) {
  switch (Below(depth < kDepthMax ? 12 : 7)) {
    case 0:
      return {{"type", "null"}};
    case 1:
      return {{"type", "boolean"}};
    case 2:
      return DrawNumber(/*integer=*/true);
    case 3:
      return DrawNumber(/*integer=*/false);
    case 4:
    case 5:
      return DrawString();
    case 6: {
      ChatJson values = ChatJson::array();
      for (uint64_t n = 1 + Below(4); n > 0; --n) values.push_back(AnyValue(2));
      return {{"enum", values}};
    }
    case 7: {
      ChatJson options = ChatJson::array();
      for (uint64_t n = 1 + Below(3); n > 0; --n) options.push_back(Draw(depth + 1));
      return {{"anyOf", options}};
    }
    case 8:
      return DrawArray(depth);
    case 9: {
      ChatJson schema = DrawNumber(/*integer=*/true);
      schema["nullable"] = true;
      return schema;
    }
    default:
      return DrawObject(depth);
  }
}

ChatJson SchemaDraws::DrawNumber(bool integer) {
  ChatJson schema = {{"type", integer ? "integer" : "number"}};
  const auto limit = [&](int64_t at) -> ChatJson {
    if (integer) return at;
    return static_cast<double>(at) + static_cast<double>(Below(4)) / 4;
  };
  const int64_t low = static_cast<int64_t>(Below(3000)) - 1500;
  if (OneIn(2)) schema[OneIn(3) ? "exclusiveMinimum" : "minimum"] = limit(low);
  if (OneIn(2)) {
    schema[OneIn(3) ? "exclusiveMaximum" : "maximum"] =
        limit(low + 2 + static_cast<int64_t>(Below(OneIn(2) ? 10 : 2000)));
  }
  return schema;
}

ChatJson SchemaDraws::DrawString() {
  ChatJson schema = {{"type", "string"}};
  if (OneIn(4)) {
    schema["pattern"] = kPatterns[Below(std::size(kPatterns))].pattern;
    return schema;
  }
  const auto min = static_cast<int64_t>(Below(4));
  if (OneIn(2)) schema["minLength"] = min;
  if (OneIn(2)) schema["maxLength"] = min + static_cast<int64_t>(Below(6));
  return schema;
}

ChatJson SchemaDraws::DrawObject(int depth) {
  const std::vector<std::string> names = {"a",   "b", "ab",  "kind", "value",
                                          "Zed", "ä", "x y", "next"};
  ChatJson properties = ChatJson::object(), required = ChatJson::array();
  for (const std::string& name : names) {
    if (!OneIn(3)) continue;
    properties[name] = Draw(depth + 1);
    if (OneIn(2)) required.push_back(name);
  }
  ChatJson schema = {{"type", "object"}, {"properties", properties}, {"required", required}};
  if (closed_ || OneIn(2)) {
    schema["additionalProperties"] = false;
  } else if (OneIn(2)) {
    schema["additionalProperties"] = Draw(depth + 1);
  }
  return schema;
}

ChatJson SchemaDraws::DrawArray(int depth) {
  ChatJson schema = {{"type", "array"}, {"items", Draw(depth + 1)}};
  if (OneIn(3)) {
    schema["prefixItems"] = ChatJson::array({Draw(depth + 1), Draw(depth + 1)});
    if (OneIn(2)) schema["items"] = false;
  }
  const auto min = static_cast<int64_t>(Below(3));
  if (OneIn(2)) schema["minItems"] = min;
  if (OneIn(2)) schema["maxItems"] = min + static_cast<int64_t>(Below(3));
  return schema;
}

std::string SchemaDraws::Text(int64_t min, int64_t max) {
  constexpr const char* kChars[] = {"a", "b",  " ", "\"", "\\", "\n",
                                    "é", "中", "😀", "{",  ":",  "\x01"};
  std::string text;
  for (auto n = min + static_cast<int64_t>(Below(max - min + 1)); n > 0; --n)
    text += kChars[Below(std::size(kChars))];
  return text;
}

ChatJson SchemaDraws::AnyValue(int depth) {
  switch (Below(depth < kDepthMax ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return OneIn(2);
    case 2:
      return static_cast<int64_t>(Below(2000)) - 1000;
    case 3:
      return static_cast<double>(Below(1000)) / 8;
    case 4:
      return Text(0, 5);
    case 5: {
      ChatJson list = ChatJson::array();
      for (uint64_t n = Below(3); n > 0; --n) list.push_back(AnyValue(depth + 1));
      return list;
    }
    default: {
      ChatJson object = ChatJson::object();
      for (uint64_t n = Below(3); n > 0; --n) object[absl::StrCat("k", n)] = AnyValue(depth + 1);
      return object;
    }
  }
}

ChatJson SchemaDraws::Value(const ChatJson& schema) {
  if (schema.is_boolean()) return AnyValue(1);
  if (schema.contains("nullable") && OneIn(3)) return nullptr;
  if (schema.contains("enum")) return schema["enum"][Below(schema["enum"].size())];
  if (schema.contains("anyOf")) return Value(schema["anyOf"][Below(schema["anyOf"].size())]);
  const std::string type = schema["type"].get<std::string>();
  if (type == "null") return nullptr;
  if (type == "boolean") return OneIn(2);
  if (type == "integer" || type == "number") {
    const auto limit = [&](const char* name, const char* exclusive, int64_t step) {
      if (schema.contains(name)) return schema[name].get<double>();
      if (schema.contains(exclusive))
        return schema[exclusive].get<double>() +
               (type == "integer" ? 1.0 : 0.25) * static_cast<double>(step);
      return 0.0;
    };
    const bool has_low = schema.contains("minimum") || schema.contains("exclusiveMinimum");
    double value = has_low ? limit("minimum", "exclusiveMinimum", 1)
                           : limit("maximum", "exclusiveMaximum", -1);
    if (type == "integer") return static_cast<int64_t>(value);
    return value;
  }
  if (type == "string") {
    if (schema.contains("pattern")) {
      for (const Pattern& pattern : kPatterns) {
        if (schema["pattern"] == pattern.pattern) return pattern.example;
      }
    }
    const auto min = schema.value("minLength", int64_t{0});
    return Text(min, schema.value("maxLength", min + 5));
  }
  if (type == "array") {
    ChatJson list = ChatJson::array();
    const size_t num_prefix = schema.contains("prefixItems") ? 2 : 0;
    const auto min = schema.value("minItems", int64_t{0});
    auto max = schema.value("maxItems", min + 3);
    if (schema["items"] == false) max = std::min<int64_t>(max, 2);
    CHECK(max >= min);
    for (int64_t n = min + static_cast<int64_t>(Below(max - min + 1)); n > 0; --n) {
      const size_t i = list.size();
      list.push_back(Value(i < num_prefix ? schema["prefixItems"][i] : schema["items"]));
    }
    return list;
  }
  ChatJson object = ChatJson::object();
  const ChatJson& required = schema["required"];
  for (const auto& [name, inner] : schema["properties"].items()) {
    const bool must = std::find(required.begin(), required.end(), name) != required.end();
    if (must || OneIn(2)) object[name] = Value(inner);
  }
  const bool open = !schema.contains("additionalProperties");
  if (open && OneIn(2)) object["extra"] = AnyValue(1);
  if (!open && !schema["additionalProperties"].is_boolean() && OneIn(2))
    object["more"] = Value(schema["additionalProperties"]);
  return object;
}

}  // namespace coterie

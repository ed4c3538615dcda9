#include "tests/fuzz/grammar/schema_soup.h"

#include <cstdint>
#include <string>

namespace coterie {
namespace {

constexpr int kDepthMax = 8;
constexpr const char* kNames[] = {"a", "b", "next", "ä", "x:y"};
constexpr const char* kTypes[] = {"null",   "boolean", "integer", "number",
                                  "string", "object",  "array"};
constexpr const char* kRefs[] = {"#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/none"};
constexpr const char* kPatterns[] = {"^a*$", "b", "^(a|bc){1,3}$", "[^a]", "^$", "a^", "^.{3}"};
constexpr const char* kFormats[] = {"date", "uuid", "email", "odd"};

class Cook {
 public:
  explicit Cook(absl::string_view choices) : choices_(choices) {}

  ChatJson Document() {
    ChatJson schema = Schema(0);
    if (!schema.is_object()) return schema;
    for (const char* const name : {"a", "b"}) schema["$defs"][name] = Schema(0);
    return schema;
  }

 private:
  int Below(int n) {
    if (choices_.empty()) return 0;
    const int choice = static_cast<uint8_t>(choices_.front()) % n;
    choices_.remove_prefix(1);
    return choice;
  }
  template <size_t n>
  const char* OneOf(const char* const (&list)[n]) {
    return list[Below(static_cast<int>(n))];
  }

  ChatJson Value(int depth) {
    switch (Below(depth < kDepthMax ? 7 : 5)) {
      case 0:
        return nullptr;
      case 1:
        return Below(2) == 0;
      case 2:
        return Below(256) - 100;
      case 3:
        return (Below(256) - 128) / 8.0;
      case 4:
        return OneOf(kPatterns);
      case 5:
        return ChatJson::array({Value(depth + 1)});
      default:
        return ChatJson::object({{OneOf(kNames), Value(depth + 1)}});
    }
  }

  ChatJson List(int depth) {
    ChatJson list = ChatJson::array();
    for (int n = 1 + Below(3); n > 0; --n) list.push_back(Schema(depth + 1));
    return list;
  }

  ChatJson Properties(int depth) {
    ChatJson properties = ChatJson::object();
    for (int n = Below(4); n > 0; --n) properties[OneOf(kNames)] = Schema(depth + 1);
    return properties;
  }

  ChatJson Schema(int depth) {
    if (choices_.empty() || depth > kDepthMax) return Below(4) != 3;
    ChatJson schema = ChatJson::object();
    for (int n = Below(5); n >= 0; --n) AddKeyword(depth, &schema);
    return schema;
  }

  void AddKeyword(int depth, ChatJson* schema) {
    ChatJson& s = *schema;
    switch (Below(22)) {
      case 0:
      case 1:
        s["type"] = OneOf(kTypes);
        break;
      case 2:
        s["type"] = ChatJson::array({OneOf(kTypes), OneOf(kTypes)});
        break;
      case 3:
        s["type"] = "object";
        s["properties"] = Properties(depth);
        break;
      case 4:
        s["required"] = ChatJson::array({OneOf(kNames)});
        break;
      case 5:
        s["additionalProperties"] = Schema(depth + 1);
        break;
      case 6:
        s["items"] = Schema(depth + 1);
        break;
      case 7:
        s["prefixItems"] = List(depth);
        break;
      case 8:
        s[Below(2) == 0 ? "minItems" : "maxItems"] = Below(6);
        break;
      case 9:
        s[Below(2) == 0 ? "minLength" : "maxLength"] = Below(6);
        break;
      case 10:
        s["pattern"] = OneOf(kPatterns);
        break;
      case 11:
        s["format"] = OneOf(kFormats);
        break;
      case 12:
        s[Below(2) == 0 ? "minimum" : "maximum"] = Value(kDepthMax);
        break;
      case 13:
        s[Below(2) == 0 ? "exclusiveMinimum" : "exclusiveMaximum"] = Value(kDepthMax);
        break;
      case 14:
        s["enum"] = ChatJson::array({Value(0), Value(0)});
        break;
      case 15:
        s["const"] = Value(0);
        break;
      case 16:
        s["anyOf"] = List(depth);
        break;
      case 17:
        s["oneOf"] = List(depth);
        break;
      case 18:
        s["allOf"] = List(depth);
        break;
      case 19:
        s["nullable"] = true;
        break;
      default:
        s["$ref"] = OneOf(kRefs);
    }
  }

  absl::string_view choices_;
};

}  // namespace

ChatJson SchemaSoup(absl::string_view choices) { return Cook(choices).Document(); }

}  // namespace coterie

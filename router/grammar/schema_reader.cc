#include "router/grammar/schema_reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "kernels/status_macros.h"
#include "router/grammar/schema_keywords.h"
#include "router/grammar/schema_merge.h"
#include "router/grammar/schema_scalars.h"
#include "router/grammar/schema_values.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

using Kind = SchemaNode::Kind;

constexpr int kReadDepthMax = 200;  // of schemas within schemas, through references too

class Reader {
 public:
  explicit Reader(const ChatJson& document) : document_(document), merge_(&schema_) {}

  absl::StatusOr<JsonSchema> Read() {
    ASSIGN_OR_RETURN(schema_.root, ReadAt(document_, "", 0));
    RETURN_IF_ERROR(Annotate(CheckSchema(&schema_), "at /"));
    return std::move(schema_);
  }

 private:
  // Errors of `fn` say where, once.
  static absl::Status Located(const absl::Status& status, const std::string& pointer) {
    if (status.ok() || absl::StartsWith(status.message(), "at /")) return status;
    return Annotate(status, absl::StrCat("at ", pointer.empty() ? "/" : pointer));
  }

  int32_t Add(SchemaNode node) {
    schema_.nodes.push_back(std::move(node));
    return static_cast<int32_t>(schema_.nodes.size()) - 1;
  }
  int32_t AddKind(Kind kind) {
    SchemaNode node;
    node.kind = kind;
    return Add(std::move(node));
  }

  absl::StatusOr<int32_t> ReadAt(const ChatJson& schema, const std::string& pointer, int depth) {
    absl::StatusOr<int32_t> node = ReadOne(schema, pointer, depth);
    if (!node.ok()) return Located(node.status(), pointer);
    return node;
  }

  absl::StatusOr<int32_t> ReadOne(const ChatJson& schema, const std::string& pointer, int depth) {
    if (depth > kReadDepthMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("schemas nest deeper than ", kReadDepthMax, " levels"));
    }
    if (static_cast<int>(schema_.nodes.size()) > kSchemaNodesMax) {
      return absl::InvalidArgumentError("the schema is too large");
    }
    if (schema.is_boolean()) return AddKind(schema.get<bool>() ? Kind::kAny : Kind::kNever);
    if (!schema.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a schema is an object, not of type ", schema.type_name()));
    }
    RETURN_IF_ERROR(CheckKeywords(schema));
    ASSIGN_OR_RETURN(int32_t node, ReadTypes(schema, pointer, depth));
    ASSIGN_OR_RETURN(node, WithValues(schema, node));
    if (const ChatJson* const ref = FieldOf(schema, "$ref")) {
      ASSIGN_OR_RETURN(const int32_t target, ReadRef(*ref, depth));
      ASSIGN_OR_RETURN(node, Common(node, target));
    }
    for (const char* const word : {"allOf", "anyOf", "oneOf"}) {
      ASSIGN_OR_RETURN(node, WithOptions(schema, word, node, pointer, depth));
    }
    const ChatJson* const nullable = FieldOf(schema, "nullable");
    if (nullable != nullptr && *nullable == ChatJson(true)) {
      SchemaNode either;
      either.kind = Kind::kAnyOf;
      either.options = {node, AddKind(Kind::kNull)};
      return Add(std::move(either));
    }
    return node;
  }

  // Merging with what says nothing works while the other is still being read, too.
  absl::StatusOr<int32_t> Common(int32_t a, int32_t b) {
    if (schema_.nodes[a].kind == Kind::kAny) return b;
    return merge_.Common(a, b);
  }

  absl::StatusOr<int32_t> ReadTypes(const ChatJson& schema, const std::string& pointer, int depth) {
    ASSIGN_OR_RETURN(const std::vector<std::string> types, TypesOf(schema));
    if (types.empty()) return AddKind(Kind::kAny);
    SchemaNode choice;
    choice.kind = Kind::kAnyOf;
    for (const std::string& type : types) {
      ASSIGN_OR_RETURN(const int32_t option, ReadType(type, schema, pointer, depth));
      choice.options.push_back(option);
    }
    if (FieldOf(schema, "type") == nullptr) AddOtherTypes(types, &choice);
    return choice.options.size() == 1 ? choice.options[0] : Add(std::move(choice));
  }

  void AddOtherTypes(const std::vector<std::string>& types, SchemaNode* choice) {
    choice->num_preferred = static_cast<int32_t>(choice->options.size());
    constexpr std::pair<absl::string_view, Kind> kTypes[] = {
        {"null", Kind::kNull},     {"boolean", Kind::kBoolean}, {"number", Kind::kNumber},
        {"string", Kind::kString}, {"object", Kind::kObject},   {"array", Kind::kArray}};
    for (const auto& [type, kind] : kTypes) {
      if (std::find(types.begin(), types.end(), type) != types.end()) continue;
      SchemaNode any;
      any.kind = kind;
      any.additional = any.items = AddKind(Kind::kAny);
      choice->options.push_back(Add(std::move(any)));
    }
  }

  absl::StatusOr<int32_t> ReadType(const std::string& type, const ChatJson& schema,
                                   const std::string& pointer, int depth) {
    if (type == "null") return AddKind(Kind::kNull);
    if (type == "boolean") return AddKind(Kind::kBoolean);
    if (type == "string") {
      ASSIGN_OR_RETURN(SchemaNode text, strings_.ReadString(schema));
      return Add(std::move(text));
    }
    if (type == "object") return ReadObject(schema, pointer, depth);
    if (type == "array") return ReadArray(schema, pointer, depth);
    ASSIGN_OR_RETURN(SchemaNode number, ReadNumber(schema, type == "integer"));
    return Add(std::move(number));
  }

  absl::StatusOr<int32_t> ReadObject(const ChatJson& schema, const std::string& pointer,
                                     int depth) {
    SchemaNode node;
    node.kind = Kind::kObject;
    const ChatJson* const additional = FieldOf(schema, "additionalProperties");
    node.additional_is_default = additional == nullptr;
    node.additional = -1;
    if (additional != nullptr) {
      ASSIGN_OR_RETURN(node.additional,
                       ReadAt(*additional, pointer + "/additionalProperties", depth + 1));
    } else {
      node.additional = AddKind(Kind::kAny);
    }
    ASSIGN_OR_RETURN(std::vector<std::string> required, ReadRequired(schema));
    std::set<absl::string_view> names(required.begin(), required.end());
    if (const ChatJson* const properties = FieldOf(schema, "properties")) {
      if (!properties->is_object()) return absl::InvalidArgumentError("`properties` is no object");
      for (const auto& [name, value] : properties->items()) {
        ASSIGN_OR_RETURN(
            const int32_t inner,
            ReadAt(value, absl::StrCat(pointer, "/properties/", Escaped(name)), depth + 1));
        node.properties.push_back({name, inner, names.erase(name) > 0});
      }
    }
    for (const std::string& name : required) {
      if (names.erase(name) > 0) node.properties.push_back({name, node.additional, true});
    }
    return Add(std::move(node));
  }

  static absl::StatusOr<std::vector<std::string>> ReadRequired(const ChatJson& schema) {
    std::vector<std::string> names;
    const ChatJson* const required = FieldOf(schema, "required");
    // Draft 3 marks the property itself; many schemas still do, to no effect.
    if (required == nullptr || required->is_boolean()) return names;
    if (!required->is_array()) return absl::InvalidArgumentError("`required` is no list");
    if (required->size() > kChatKeysMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("`required` has more than ", kChatKeysMax, " names"));
    }
    for (const ChatJson& name : *required) {
      if (!name.is_string()) return absl::InvalidArgumentError("`required` is no list of names");
      names.push_back(name.get<std::string>());
    }
    return names;
  }

  absl::StatusOr<int32_t> ReadArray(const ChatJson& schema, const std::string& pointer, int depth) {
    SchemaNode node;
    node.kind = Kind::kArray;
    ASSIGN_OR_RETURN(node.min, CountKeyword(schema, "minItems", 0, kSchemaMinCountMax));
    ASSIGN_OR_RETURN(node.max, CountKeyword(schema, "maxItems", -1, kSchemaMaxCountMax));
    const ChatJson* items = FieldOf(schema, "items");
    const ChatJson* prefix = FieldOf(schema, "prefixItems");
    const char *items_name = "items", *prefix_name = "prefixItems";
    if (prefix == nullptr && items != nullptr && items->is_array()) {
      // Until 2019-09 a list of schemas stood under `items`.
      prefix = std::exchange(items, FieldOf(schema, "additionalItems"));
      prefix_name = std::exchange(items_name, "additionalItems");
    }
    if (prefix != nullptr) {
      if (!prefix->is_array()) return absl::InvalidArgumentError("`prefixItems` is no list");
      for (size_t i = 0; i < prefix->size(); ++i) {
        ASSIGN_OR_RETURN(
            const int32_t item,
            ReadAt((*prefix)[i], absl::StrCat(pointer, "/", prefix_name, "/", i), depth + 1));
        node.prefix.push_back(item);
      }
    }
    if (items != nullptr) {
      ASSIGN_OR_RETURN(node.items,
                       ReadAt(*items, absl::StrCat(pointer, "/", items_name), depth + 1));
    } else {
      node.items = AddKind(Kind::kAny);
    }
    const bool never = node.max >= 0 && node.min > node.max;
    return never ? AddKind(Kind::kNever) : Add(std::move(node));
  }

  // enum and const.
  absl::StatusOr<int32_t> WithValues(const ChatJson& schema, int32_t node) {
    for (const char* const word : {"enum", "const"}) {
      const ChatJson* const value = FieldOf(schema, word);
      if (value == nullptr) continue;
      SchemaNode literal;
      literal.kind = Kind::kLiteral;
      if (absl::string_view(word) == "const") {
        literal.values.push_back(*value);
      } else {
        if (!value->is_array() || value->empty()) {
          return absl::InvalidArgumentError("`enum` is no list of values");
        }
        literal.values.assign(value->begin(), value->end());
      }
      num_values_ += static_cast<int64_t>(literal.values.size());
      if (num_values_ > kSchemaValuesMax) {
        return absl::InvalidArgumentError(
            absl::StrCat("its enums have more than ", kSchemaValuesMax, " values"));
      }
      ASSIGN_OR_RETURN(node, Common(node, Add(std::move(literal))));
    }
    return node;
  }

  absl::StatusOr<int32_t> WithOptions(const ChatJson& schema, const char* word, int32_t node,
                                      const std::string& pointer, int depth) {
    const ChatJson* const list = FieldOf(schema, word);
    if (list == nullptr) return node;
    if (!list->is_array() || list->empty()) {
      return absl::InvalidArgumentError(absl::StrCat("`", word, "` is no list of schemas"));
    }
    SchemaNode choice;
    choice.kind = Kind::kAnyOf;
    for (size_t i = 0; i < list->size(); ++i) {
      ASSIGN_OR_RETURN(const int32_t option,
                       ReadAt((*list)[i], absl::StrCat(pointer, "/", word, "/", i), depth + 1));
      choice.options.push_back(option);
    }
    if (absl::string_view(word) == "allOf") {
      for (int32_t option : choice.options) {
        ASSIGN_OR_RETURN(node, Common(node, option));
      }
      return node;
    }
    // Options may exclude each other only by what stands beside them.
    for (int32_t& option : choice.options) {
      ASSIGN_OR_RETURN(option, Common(node, option));
    }
    if (absl::string_view(word) == "oneOf") RETURN_IF_ERROR(CheckDisjoint(choice.options));
    return Add(std::move(choice));
  }

  absl::Status CheckDisjoint(const std::vector<int32_t>& options) {
    constexpr size_t kOneOfMax = 100;  // each is compared with each
    if (options.size() > kOneOfMax) {
      return absl::InvalidArgumentError(absl::StrCat("`oneOf` has more than ", kOneOfMax));
    }
    for (size_t i = 0; i < options.size(); ++i) {
      for (size_t j = i + 1; j < options.size(); ++j) {
        if (AreDisjoint(schema_, options[i], options[j])) continue;
        return absl::InvalidArgumentError(
            absl::StrCat("`oneOf` has options (", i, " and ", j,
                         ") that may both match: give them a property with different `const` "
                         "values, or use anyOf"));
      }
    }
    return absl::OkStatus();
  }

  static std::string Escaped(absl::string_view name) {
    return absl::StrReplaceAll(name.substr(0, 100), {{"~", "~0"}, {"/", "~1"}});
  }

  absl::StatusOr<int32_t> ReadRef(const ChatJson& ref, int depth) {
    if (!ref.is_string()) return absl::InvalidArgumentError("`$ref` is no text");
    const auto& text = ref.get_ref<const std::string&>();
    const auto [known, added] = refs_.try_emplace(text, -1);
    if (!added) return known->second;
    const int32_t node = AddKind(Kind::kRef);
    known->second = node;
    const ChatJson* const target = Find(text);
    if (target == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("`$ref` ", Quoted(text), " names nothing in this schema"));
    }
    ASSIGN_OR_RETURN(const int32_t read,
                     ReadAt(*target, text == "#" ? "" : text.substr(1), depth + 1));
    schema_.nodes[node].target = read;
    return node;
  }

  // What `#/$defs/a` names.
  const ChatJson* Find(absl::string_view ref) const {
    if (ref.empty() || ref[0] != '#' || (ref.size() > 1 && ref[1] != '/')) return nullptr;
    const ChatJson* at = &document_;
    if (ref.size() < 2) return at;
    for (const absl::string_view part : absl::StrSplit(ref.substr(2), '/')) {
      const std::string name = absl::StrReplaceAll(part, {{"~1", "/"}, {"~0", "~"}, {"%25", "%"}});
      if (at->is_object()) {
        const auto found = at->find(name);
        if (found == at->end()) return nullptr;
        at = &*found;
      } else {
        uint32_t index = 0;
        if (!at->is_array() || !absl::SimpleAtoi(name, &index) || index >= at->size())
          return nullptr;
        at = &(*at)[index];
      }
    }
    return at;
  }

  const ChatJson& document_;
  JsonSchema schema_;
  SchemaMerge merge_;
  std::map<std::string, int32_t> refs_;
  StringReader strings_;
  int64_t num_values_ = 0;
};

}  // namespace

absl::StatusOr<JsonSchema> ReadSchema(const ChatJson& schema) { return Reader(schema).Read(); }

JsonSchema AnyObjectSchema() {
  JsonSchema schema;
  SchemaNode object;
  object.kind = SchemaNode::Kind::kObject;
  object.additional = 1;
  schema.nodes = {object, SchemaNode{}};
  schema.root = 0;
  schema.heights = {0, 0};
  return schema;
}

}  // namespace coterie

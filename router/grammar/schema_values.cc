#include "router/grammar/schema_values.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "router/grammar/grammar_program.h"

namespace coterie {
namespace {

using Kind = SchemaNode::Kind;

// As far as a question is followed; what lies beyond counts as unknown. Choices within choices ask
// a number of questions that grows exponentially.
constexpr int kQuestionDepthMax = 64;
constexpr int kQuestionStepsMax = 5000;

struct Steps {
  int left = kQuestionStepsMax;
  bool Take(int depth) { return depth <= kQuestionDepthMax && left-- > 0; }
};

bool NumberWithin(const SchemaNode& node, const ChatJson& value) {
  if (!value.is_number()) return false;
  const auto decimal = ParseDecimal(value.dump());
  if (!decimal.ok()) return false;
  if (node.integer && !decimal->fraction.empty()) return false;
  const auto beyond = [&](const NumberLimit& limit, int sign) {
    const int order = decimal->Compare(limit.value) * sign;
    return order < 0 || (order == 0 && limit.exclusive);
  };
  return !(node.low && beyond(*node.low, 1)) && !(node.high && beyond(*node.high, -1));
}

bool CountWithin(const SchemaNode& node, int64_t count) {
  return count >= node.min && (node.max < 0 || count <= node.max);
}

bool StringWithin(const SchemaNode& node, const ChatJson& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  const auto chars = std::count_if(text.begin(), text.end(),
                                   [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
  return CountWithin(node, chars) && (node.pattern == nullptr || node.pattern->Matches(text));
}

const SchemaProperty* Find(const SchemaNode& object, const std::string& name) {
  const auto found =
      std::find_if(object.properties.begin(), object.properties.end(),
                   [&](const SchemaProperty& property) { return property.name == name; });
  return found == object.properties.end() ? nullptr : &*found;
}

bool AcceptsAt(const JsonSchema& schema, int32_t index, const ChatJson& value, int depth,
               Steps* steps) {
  index = schema.Resolved(index);
  if (index < 0 || !steps->Take(depth)) return false;
  const SchemaNode& node = schema.nodes[index];
  const auto accepts = [&](int32_t part, const ChatJson& inner) {
    return AcceptsAt(schema, part, inner, depth + 1, steps);
  };
  switch (node.kind) {
    case Kind::kNever:
    case Kind::kRef:
      return false;
    case Kind::kAny:
      return true;
    case Kind::kNull:
      return value.is_null();
    case Kind::kBoolean:
      return value.is_boolean();
    case Kind::kNumber:
      return NumberWithin(node, value);
    case Kind::kString:
      return StringWithin(node, value);
    case Kind::kObject: {
      if (!value.is_object()) return false;
      for (const SchemaProperty& property : node.properties) {
        if (property.required && !value.contains(property.name)) return false;
      }
      for (const auto& [name, inner] : value.items()) {
        const SchemaProperty* const property = Find(node, name);
        if (!accepts(property == nullptr ? node.additional : property->schema, inner)) return false;
      }
      return true;
    }
    case Kind::kArray: {
      if (!value.is_array() || !CountWithin(node, static_cast<int64_t>(value.size()))) return false;
      for (size_t i = 0; i < value.size(); ++i) {
        if (!accepts(i < node.prefix.size() ? node.prefix[i] : node.items, value[i])) return false;
      }
      return true;
    }
    case Kind::kLiteral:
      return std::find(node.values.begin(), node.values.end(), value) != node.values.end();
    case Kind::kAnyOf:
      return std::any_of(node.options.begin(), node.options.end(),
                         [&](int32_t option) { return accepts(option, value); });
  }
  return false;
}

bool Disjoint(const JsonSchema& schema, int32_t a, int32_t b, int depth, Steps* steps);

bool ObjectsDisjoint(const JsonSchema& schema, const SchemaNode& a, const SchemaNode& b, int depth,
                     Steps* steps) {
  for (const SchemaProperty& property : a.properties) {
    const SchemaProperty* const other = Find(b, property.name);
    const int32_t in_b = other == nullptr ? b.additional : other->schema;
    const bool must_have = property.required || (other != nullptr && other->required);
    if (must_have && Disjoint(schema, property.schema, in_b, depth, steps)) return true;
  }
  return std::any_of(b.properties.begin(), b.properties.end(), [&](const SchemaProperty& property) {
    return property.required && Find(a, property.name) == nullptr &&
           Disjoint(schema, property.schema, a.additional, depth, steps);
  });
}

bool NumbersDisjoint(const SchemaNode& a, const SchemaNode& b) {
  const auto below = [](const SchemaNode& x, const SchemaNode& y) {
    if (!x.high || !y.low) return false;
    const int order = x.high->value.Compare(y.low->value);
    return order < 0 || (order == 0 && (x.high->exclusive || y.low->exclusive));
  };
  return below(a, b) || below(b, a);
}

bool Disjoint(const JsonSchema& schema, int32_t a, int32_t b, int depth, Steps* steps) {
  a = schema.Resolved(a);
  b = schema.Resolved(b);
  if (a < 0 || b < 0 || !steps->Take(depth)) return false;
  if (schema.nodes[b].kind == Kind::kNever || schema.nodes[b].kind == Kind::kAnyOf ||
      schema.nodes[b].kind == Kind::kLiteral) {
    std::swap(a, b);
  }
  const SchemaNode &x = schema.nodes[a], &y = schema.nodes[b];
  if (x.kind == Kind::kNever || y.kind == Kind::kNever) return true;
  if (x.kind == Kind::kAnyOf || y.kind == Kind::kAnyOf) {
    const SchemaNode& choice = x.kind == Kind::kAnyOf ? x : y;
    const int32_t other = x.kind == Kind::kAnyOf ? b : a;
    return std::all_of(choice.options.begin(), choice.options.end(), [&](int32_t option) {
      return Disjoint(schema, option, other, depth + 1, steps);
    });
  }
  if (x.kind == Kind::kLiteral) {
    return std::none_of(x.values.begin(), x.values.end(),
                        [&](const ChatJson& value) {
                          return AcceptsAt(schema, b, value, depth + 1, steps);
                        }) &&
           steps->left > 0;
  }
  if (x.kind == Kind::kAny || y.kind == Kind::kAny) return false;
  if (x.kind != y.kind) return true;
  if (x.kind == Kind::kNumber) return NumbersDisjoint(x, y);
  return x.kind == Kind::kObject && ObjectsDisjoint(schema, x, y, depth + 1, steps);
}

// The height of one node from those of its parts, as far as they are known.
int HeightOf(const JsonSchema& schema, const SchemaNode& node) {
  int height = 0;
  const auto below = [&](int32_t part) {
    height = std::max(height, std::min(schema.heights[part] + 1, kSchemaHeightNone));
  };
  switch (node.kind) {
    case Kind::kNever:
      return kSchemaHeightNone;
    case Kind::kRef:
      return schema.heights[node.target];
    case Kind::kAnyOf:
      height = kSchemaHeightNone;
      for (int32_t option : node.options) height = std::min(height, schema.heights[option]);
      return height;
    case Kind::kObject:
      for (const SchemaProperty& property : node.properties) {
        if (property.required) below(property.schema);
      }
      return height;
    case Kind::kArray:
      for (int64_t i = 0; i < node.min; ++i) {
        const auto num_prefix = static_cast<int64_t>(node.prefix.size());
        below(i < num_prefix ? node.prefix[i] : node.items);
        if (i >= num_prefix) break;  // the others are all alike
      }
      return height;
    default:
      return 0;
  }
}

void ForEachPart(const SchemaNode& node, const std::function<void(int32_t)>& take) {
  if (node.target >= 0) take(node.target);
  for (int32_t option : node.options) take(option);
  for (const SchemaProperty& property : node.properties) take(property.schema);
  for (int32_t item : node.prefix) take(item);
  if (node.items >= 0) take(node.items);
}

// A node that has become lower is told to those that contain it. Heights only fall, at most
// kGrammarDepthMax times each, so this ends.
void SettleHeights(JsonSchema* schema) {
  const size_t n = schema->nodes.size();
  schema->heights.assign(n, kSchemaHeightNone);
  std::vector<std::vector<int32_t>> containers(n);
  std::vector<int32_t> work;
  for (size_t i = 0; i < n; ++i) {
    const auto index = static_cast<int32_t>(i);
    ForEachPart(schema->nodes[i], [&](int32_t part) { containers[part].push_back(index); });
    work.push_back(index);
  }
  while (!work.empty()) {
    const int32_t i = work.back();
    work.pop_back();
    const int height = HeightOf(*schema, schema->nodes[i]);
    if (height > kGrammarDepthMax || height >= schema->heights[i]) continue;
    schema->heights[i] = height;
    work.insert(work.end(), containers[i].begin(), containers[i].end());
  }
}

// Of schemas without a `type` only what they speak about is left, where that has values.
void DropOtherTypes(JsonSchema* schema) {
  for (SchemaNode& node : schema->nodes) {
    const auto preferred_end = node.options.begin() + node.num_preferred;
    const bool has_values = std::any_of(node.options.begin(), preferred_end, [&](int32_t option) {
      return schema->heights[option] < kSchemaHeightNone;
    });
    if (has_values) node.options.erase(preferred_end, node.options.end());
  }
}

// Walks what can be entered without reading anything: references and choices.
class LoopFinder {
 public:
  explicit LoopFinder(const JsonSchema& schema) : schema_(schema), marks_(schema.nodes.size()) {}

  bool FindsLoop() {
    for (size_t i = 0; i < marks_.size(); ++i) {
      if (From(static_cast<int32_t>(i))) return true;
    }
    return false;
  }

 private:
  struct Open {
    int32_t node;
    size_t next_part = 0;
  };

  bool From(int32_t start) {
    if (marks_[start] != 0) return false;
    std::vector<Open> path = {{start}};
    marks_[start] = 1;
    while (!path.empty()) {
      Open& open = path.back();
      const SchemaNode& node = schema_.nodes[open.node];
      const size_t num_parts = node.kind == Kind::kRef ? 1 : node.options.size();
      if (open.next_part == num_parts) {
        marks_[open.node] = 2;
        path.pop_back();
        continue;
      }
      const int32_t part = node.kind == Kind::kRef ? node.target : node.options[open.next_part];
      ++open.next_part;
      if (marks_[part] == 1) return true;
      if (marks_[part] == 2) continue;
      marks_[part] = 1;
      path.push_back({part});
    }
    return false;
  }

  const JsonSchema& schema_;
  std::vector<uint8_t> marks_;  // 1: on the path, 2: without a loop
};

}  // namespace

int32_t JsonSchema::Resolved(int32_t node) const {
  // A chain longer than all nodes is a circle.
  for (size_t i = 0; i <= nodes.size() && node >= 0 && nodes[node].kind == Kind::kRef; ++i) {
    if (i == nodes.size()) return -1;
    node = nodes[node].target;
  }
  return node;
}

bool Accepts(const JsonSchema& schema, int32_t node, const ChatJson& value) {
  Steps steps;
  return AcceptsAt(schema, node, value, 0, &steps);
}

bool AreDisjoint(const JsonSchema& schema, int32_t a, int32_t b) {
  Steps steps;
  return Disjoint(schema, a, b, 0, &steps);
}

absl::Status CheckSchema(JsonSchema* schema) {
  if (LoopFinder(*schema).FindsLoop()) {
    return absl::InvalidArgumentError("a schema refers to itself with nothing in between");
  }
  SettleHeights(schema);
  DropOtherTypes(schema);
  SettleHeights(schema);
  if (schema->heights[schema->root] > kGrammarDepthMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no value satisfies it, or only one of more than ", kGrammarDepthMax, " levels"));
  }
  return absl::OkStatus();
}

}  // namespace coterie

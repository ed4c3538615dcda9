#include "router/grammar/schema_merge.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/grammar/schema_values.h"

namespace coterie {
namespace {

using Kind = SchemaNode::Kind;

constexpr int kMergeDepthMax = 64;

// The lower of two upper bounds, where -1 is none.
int64_t LowerMax(int64_t a, int64_t b) {
  if (a < 0) return b;
  return b < 0 ? a : std::min(a, b);
}

// Of two lower bounds the higher (sign 1), of two upper ones the lower (sign -1).
std::optional<NumberLimit> Tighter(const std::optional<NumberLimit>& a,
                                   const std::optional<NumberLimit>& b, int sign) {
  if (!a || !b) return a ? a : b;
  const int order = a->value.Compare(b->value) * sign;
  if (order == 0) return a->exclusive ? a : b;
  return order > 0 ? a : b;
}

}  // namespace

int32_t SchemaMerge::Add(SchemaNode node) {
  schema_.nodes.push_back(std::move(node));
  return static_cast<int32_t>(schema_.nodes.size()) - 1;
}

absl::StatusOr<int32_t> SchemaMerge::CommonAt(int32_t a, int32_t b, int depth) {
  a = schema_.Resolved(a);
  b = schema_.Resolved(b);
  if (a < 0 || b < 0) {
    return absl::InvalidArgumentError("a schema is merged with one that contains it");
  }
  if (depth > kMergeDepthMax || static_cast<int>(schema_.nodes.size()) > kSchemaNodesMax) {
    return absl::InvalidArgumentError(
        "the merged schemas (allOf, $ref, anyOf with keywords beside "
        "them) are too large or too deep");
  }
  if (a == b) return a;
  // Merging what refers to itself meets itself again.
  const auto known = known_.find({a, b});
  if (known != known_.end()) return known->second;
  const SchemaNode x = schema_.nodes[a], y = schema_.nodes[b];
  if (x.kind == Kind::kAny) return b;
  if (y.kind == Kind::kAny) return a;
  if (x.kind == Kind::kNever || y.kind == Kind::kNever) return Never();
  const int32_t ref = Add({.kind = Kind::kRef});
  known_[{a, b}] = ref;
  absl::StatusOr<int32_t> common = -1;
  if (x.kind == Kind::kAnyOf) {
    common = CommonOptions(a, b, /*choice_first=*/true, depth);
  } else if (y.kind == Kind::kAnyOf) {
    common = CommonOptions(b, a, /*choice_first=*/false, depth);
  } else if (x.kind == Kind::kLiteral) {
    common = CommonLiterals(x, b);
  } else if (y.kind == Kind::kLiteral) {
    common = CommonLiterals(y, a);
  } else if (x.kind != y.kind) {
    common = Never();
  } else if (x.kind == Kind::kNumber) {
    common = CommonNumbers(x, y);
  } else if (x.kind == Kind::kString) {
    common = CommonStrings(x, y);
  } else if (x.kind == Kind::kObject) {
    common = CommonObjects(x, y, depth);
  } else if (x.kind == Kind::kArray) {
    common = CommonArrays(x, y, depth);
  } else {
    common = a;  // null, or a truth value
  }
  RETURN_IF_ERROR(common.status());
  schema_.nodes[ref].target = *common;
  return ref;
}

absl::StatusOr<int32_t> SchemaMerge::CommonOptions(int32_t choice, int32_t other, bool choice_first,
                                                   int depth) {
  SchemaNode node;
  node.kind = Kind::kAnyOf;
  const std::vector<int32_t> options = schema_.nodes[choice].options;
  node.num_preferred = schema_.nodes[choice].num_preferred;
  for (int32_t option : options) {
    // Which comes first decides the order of properties.
    ASSIGN_OR_RETURN(const int32_t common, choice_first ? CommonAt(option, other, depth + 1)
                                                        : CommonAt(other, option, depth + 1));
    node.options.push_back(common);
  }
  return Add(std::move(node));
}

int32_t SchemaMerge::CommonLiterals(const SchemaNode& literal, int32_t other) {
  SchemaNode node;
  node.kind = Kind::kLiteral;
  for (const ChatJson& value : literal.values) {
    if (Accepts(schema_, other, value)) node.values.push_back(value);
  }
  return node.values.empty() ? Never() : Add(std::move(node));
}

int32_t SchemaMerge::CommonNumbers(const SchemaNode& a, const SchemaNode& b) {
  SchemaNode node;
  node.kind = Kind::kNumber;
  node.integer = a.integer || b.integer;
  node.low = Tighter(a.low, b.low, 1);
  node.high = Tighter(a.high, b.high, -1);
  return Add(std::move(node));
}

absl::StatusOr<int32_t> SchemaMerge::CommonStrings(const SchemaNode& a, const SchemaNode& b) {
  SchemaNode node;
  node.kind = Kind::kString;
  node.min = std::max(a.min, b.min);
  node.max = LowerMax(a.max, b.max);
  node.pattern = a.pattern == nullptr ? b.pattern : a.pattern;
  if (a.pattern != nullptr && b.pattern != nullptr && a.pattern != b.pattern) {
    ASSIGN_OR_RETURN(CharDfa dfa, Intersection(*a.pattern, *b.pattern));
    node.pattern = std::make_shared<const CharDfa>(std::move(dfa));
  }
  if (node.max >= 0 && node.min > node.max) return Never();
  return Add(std::move(node));
}

absl::StatusOr<int32_t> SchemaMerge::CommonObjects(const SchemaNode& a, const SchemaNode& b,
                                                   int depth) {
  SchemaNode node;
  node.kind = Kind::kObject;
  absl::flat_hash_map<std::string, const SchemaProperty*> in_b;
  for (const SchemaProperty& property : b.properties) in_b[property.name] = &property;
  for (const SchemaProperty& property : a.properties) {
    const auto found = in_b.find(property.name);
    const bool in_both = found != in_b.end();
    ASSIGN_OR_RETURN(
        const int32_t common,
        CommonAt(property.schema, in_both ? found->second->schema : b.additional, depth + 1));
    const bool required = property.required || (in_both && found->second->required);
    node.properties.push_back({property.name, common, required});
    if (in_both) in_b.erase(found);
  }
  for (const SchemaProperty& property : b.properties) {
    if (!in_b.contains(property.name)) continue;
    ASSIGN_OR_RETURN(const int32_t common, CommonAt(property.schema, a.additional, depth + 1));
    node.properties.push_back({property.name, common, property.required});
  }
  node.additional_is_default = a.additional_is_default && b.additional_is_default;
  ASSIGN_OR_RETURN(node.additional, CommonAt(a.additional, b.additional, depth + 1));
  return Add(std::move(node));
}

absl::StatusOr<int32_t> SchemaMerge::CommonArrays(const SchemaNode& a, const SchemaNode& b,
                                                  int depth) {
  SchemaNode node;
  node.kind = Kind::kArray;
  node.min = std::max(a.min, b.min);
  node.max = LowerMax(a.max, b.max);
  if (node.max >= 0 && node.min > node.max) return Never();
  const size_t num_prefix = std::max(a.prefix.size(), b.prefix.size());
  for (size_t i = 0; i < num_prefix; ++i) {
    ASSIGN_OR_RETURN(const int32_t common,
                     CommonAt(i < a.prefix.size() ? a.prefix[i] : a.items,
                              i < b.prefix.size() ? b.prefix[i] : b.items, depth + 1));
    node.prefix.push_back(common);
  }
  ASSIGN_OR_RETURN(node.items, CommonAt(a.items, b.items, depth + 1));
  return Add(std::move(node));
}

}  // namespace coterie

#include "router/grammar/value_compiler.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/lower_case.h"
#include "router/grammar/literal_grammar.h"
#include "router/grammar/number_grammar.h"

namespace coterie {
namespace {

using Kind = SchemaNode::Kind;
using NodeKind = GrammarNode::Kind;

constexpr size_t kAnyOrderMax = 63;  // bits of a number that is not negative

// Keys of calls that are not declared: what identifiers are made of, in any script, spaces within.
CharSet CallKeyChars() {
  return MakeCharSet({{'0', '9'},
                      {'A', 'Z'},
                      {'a', 'z'},
                      {'_', '_'},
                      {'-', '.'},
                      {'$', '$'},
                      {0xA1, 0x167F},
                      {0x2030, 0x205E},
                      {0x2070, 0x2FFF},
                      {0x3001, 0xFEFE},
                      {0xFF00, 0x10FFFF}});
}

}  // namespace

absl::StatusOr<int32_t> ValueCompiler::Compile() {
  rules_.assign(schema_.nodes.size(), -1);
  const int32_t root = RuleOf(schema_.root);
  // By a list, not by recursion: references make chains as long as the schema.
  while (!pending_.empty()) {
    const int32_t node = pending_.back();
    pending_.pop_back();
    ASSIGN_OR_RETURN(const int32_t start, Start(schema_.nodes[node], node));
    builder_.SetStart(rules_[node], start);
    if (builder_.TooLarge()) return absl::InvalidArgumentError("the schema is too large");
  }
  return root;
}

bool ValueCompiler::IsPossible(int32_t node) const {
  return schema_.heights[node] <= kGrammarDepthMax;
}

int32_t ValueCompiler::RuleOf(int32_t node) {
  node = schema_.Resolved(node);
  if (schema_.nodes[node].kind == Kind::kAny) {
    // They are all the same, and there is one wherever a schema says nothing.
    if (any_ < 0) any_ = node;
    node = any_;
  }
  if (rules_[node] < 0) {
    rules_[node] = builder_.AddRule(schema_.heights[node]);
    pending_.push_back(node);
  }
  return rules_[node];
}

absl::StatusOr<int32_t> ValueCompiler::Start(const SchemaNode& node, int32_t index) {
  const int32_t end = builder_.Return();
  switch (node.kind) {
    case Kind::kNever:
    case Kind::kRef:
      return absl::InternalError("a schema without values was compiled");
    case Kind::kAny:
      return AnyStart(index);
    case Kind::kNull:
      return builder_.Text("null", end);
    case Kind::kBoolean:
      return builder_.Split({builder_.Text("true", end), builder_.Text("false", end)});
    case Kind::kNumber:
      return AddNumber(node, end, &builder_);
    case Kind::kString:
      return StringStart(node);
    case Kind::kObject:
      return ObjectStart(node);
    case Kind::kArray:
      return ArrayStart(node);
    case Kind::kLiteral:
      return AddLiterals(node.values, syntax_, end, &builder_);
    case Kind::kAnyOf: {
      std::vector<int32_t> ways;
      for (int32_t option : node.options) {
        if (IsPossible(option))
          ways.push_back(builder_.Call(RuleOf(option), /*deeper=*/false, end));
      }
      return builder_.Split(ways);
    }
  }
  return end;
}

absl::StatusOr<int32_t> ValueCompiler::StringStart(const SchemaNode& node) {
  const int32_t end = builder_.Return();
  const GrammarString text = {.syntax = syntax_, .min_chars = node.min, .max_chars = node.max};
  if (node.pattern == nullptr) return builder_.OpenString(syntax_, builder_.StringBody(text, end));
  const absl::StatusOr<CharDfa> dfa = WithLength(*node.pattern, node.min, node.max);
  if (!dfa.ok()) {
    return Annotate(dfa.status(), "a `pattern` or `format` together with its lengths");
  }
  if (dfa->states.empty()) {
    return absl::InvalidArgumentError("no text has both its `pattern` and its lengths");
  }
  const int32_t free = builder_.StringBody({.syntax = syntax_}, end);
  return builder_.OpenString(
      syntax_, builder_.Chars(*dfa, syntax_, builder_.CloseString(syntax_, end), free));
}

absl::StatusOr<int32_t> ValueCompiler::ObjectStart(const SchemaNode& node) {
  const auto index = static_cast<int32_t>(builder_.program().objects.size());
  builder_.program().objects.emplace_back();
  const int32_t rest = builder_.Add({.kind = NodeKind::kObjectRest, .a = index});
  const auto value_of = [&](int32_t schema, int32_t property) {
    const int32_t after =
        builder_.Add({.kind = NodeKind::kPropertyEnd, .next = rest, .a = index, .b = property});
    return Space(builder_.Call(RuleOf(schema), /*deeper=*/true, after));
  };
  std::vector<SchemaProperty> declared;
  std::vector<std::string> names;
  for (const SchemaProperty& property : node.properties) {
    names.push_back(property.name);
    if (IsPossible(property.schema)) declared.push_back(property);
  }
  GrammarObject object;
  object.any_order = syntax_ == ValueSyntax::kCall && declared.size() <= kAnyOrderMax;
  if (syntax_ == ValueSyntax::kCall && !object.any_order) {
    std::stable_sort(declared.begin(), declared.end(),
                     [](const SchemaProperty& a, const SchemaProperty& b) {
                       return LowerCase(a.name) < LowerCase(b.name);
                     });
  }
  for (size_t i = 0; i < declared.size() && !builder_.TooLarge(); ++i) {
    const int32_t value = value_of(declared[i].schema, static_cast<int32_t>(i));
    ASSIGN_OR_RETURN(const int32_t key, KeyStart(declared[i].name, value));
    object.properties.push_back({key, RuleOf(declared[i].schema), declared[i].required});
  }
  const bool is_closed =
      syntax_ == ValueSyntax::kCall && node.additional_is_default && !node.properties.empty();
  if (IsPossible(node.additional) && !is_closed) {
    object.additional_rule = RuleOf(node.additional);
    object.additional_key = AdditionalKeyStart(names, value_of(node.additional, -1));
  }
  const int32_t keys = builder_.Add({.kind = NodeKind::kObjectKeys, .a = index});
  object.comma = builder_.Text(",", Space(keys));
  object.first_close = builder_.Text("}", builder_.Return());
  object.close = Space(object.first_close);
  builder_.program().objects[index] = std::move(object);
  const int32_t first = builder_.Add({.kind = NodeKind::kObjectKeys, .a = index, .b = 1});
  return builder_.Text("{", Space(first));
}

absl::StatusOr<int32_t> ValueCompiler::KeyStart(const std::string& name, int32_t value) {
  const int32_t colon = builder_.Text(":", value);
  if (syntax_ == ValueSyntax::kJson)
    return AddLiterals({ChatJson(name)}, ValueSyntax::kJson, colon, &builder_);
  RETURN_IF_ERROR(CheckCallKey(name));
  return builder_.Text(name, colon);
}

// Escapes are only those that must be: by others a declared key could be spelled in another way.
int32_t ValueCompiler::AdditionalKeyStart(const std::vector<std::string>& names, int32_t value) {
  const int32_t colon = builder_.Text(":", value);
  const int32_t rule = builder_.AddRule(0);
  const int32_t end = builder_.Return();
  if (syntax_ == ValueSyntax::kCall) {
    const CharSet chars = CallKeyChars(), space = {{' ', ' '}};
    CharSet within = chars;
    within.push_back({' ', ' '});
    const CharDfa dfa = NoneOf(names, chars, MakeCharSet(std::move(within)), space);
    builder_.SetStart(rule, builder_.Chars(dfa, syntax_, end));
    return builder_.Call(rule, /*deeper=*/false, colon);
  }
  const int32_t free = builder_.StringBody({.syntax = syntax_, .escapes = false}, end);
  int32_t start = free;
  if (!names.empty()) {
    const CharDfa dfa = NoneOf(names, AllChars(), AllChars(), {});
    start = builder_.Chars(dfa, syntax_, builder_.CloseString(syntax_, end), free);
  }
  builder_.SetStart(rule, builder_.OpenString(syntax_, start));
  return builder_.Call(rule, /*deeper=*/false, colon);
}

int32_t ValueCompiler::ArrayStart(const SchemaNode& node) {
  const auto index = static_cast<int32_t>(builder_.program().arrays.size());
  builder_.program().arrays.emplace_back();
  GrammarArray array;
  array.min = node.min;
  array.max = node.max;
  bool all_possible = true;
  for (int32_t item : node.prefix) {
    all_possible = all_possible && IsPossible(item);
    if (all_possible) array.prefix.push_back(RuleOf(item));
  }
  // Nothing comes after an item that cannot be.
  if (all_possible && IsPossible(node.items)) array.items = RuleOf(node.items);
  array.after = builder_.Add({.kind = NodeKind::kArrayRest, .a = index});
  const int32_t item = builder_.Add({.kind = NodeKind::kArrayItem, .a = index});
  array.comma = builder_.Text(",", Space(item));
  array.first_close = builder_.Text("]", builder_.Return());
  array.close = Space(array.first_close);
  builder_.program().arrays[index] = std::move(array);
  const int32_t first = builder_.Add({.kind = NodeKind::kArrayFirst, .a = index});
  return builder_.Text("[", Space(first));
}

// A value of any kind, whose parts are values of any kind.
absl::StatusOr<int32_t> ValueCompiler::AnyStart(int32_t node) {
  const SchemaNode text = {.kind = Kind::kString}, number = {.kind = Kind::kNumber};
  const SchemaNode object = {.kind = Kind::kObject, .additional = node};
  const SchemaNode array = {.kind = Kind::kArray, .items = node};
  std::vector<int32_t> ways;
  for (const SchemaNode& way : {text, number, SchemaNode{.kind = Kind::kBoolean},
                                SchemaNode{.kind = Kind::kNull}, object, array}) {
    ASSIGN_OR_RETURN(const int32_t start, Start(way, node));
    ways.push_back(start);
  }
  return builder_.Split(ways);
}

}  // namespace coterie

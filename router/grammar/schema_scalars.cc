#include "router/grammar/schema_scalars.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/grammar/regex_dfa.h"
#include "router/grammar/schema_keywords.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

// Draft 4 has `exclusiveMinimum: true` beside the limit, later ones a limit of its own.
absl::StatusOr<std::optional<NumberLimit>> ReadLimit(const ChatJson& schema, const char* name,
                                                     const char* exclusive_name, int sign) {
  std::optional<NumberLimit> limit;
  for (const bool exclusive : {false, true}) {
    const char* const word = exclusive ? exclusive_name : name;
    const ChatJson* const value = FieldOf(schema, word);
    if (value == nullptr) continue;
    if (exclusive && value->is_boolean()) {
      if (limit) limit->exclusive = value->get<bool>();
      continue;
    }
    if (!value->is_number()) {
      return absl::InvalidArgumentError(absl::StrCat("`", word, "` is no number"));
    }
    ASSIGN_OR_RETURN(Decimal decimal, ParseDecimal(value->dump()));
    const int order = limit ? decimal.Compare(limit->value) * sign : 1;
    if (order >= 0) limit = {std::move(decimal), exclusive};
  }
  return limit;
}

// The pattern that `word` stands for.
absl::StatusOr<absl::string_view> PatternOf(absl::string_view word, const ChatJson& value) {
  if (!value.is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("`", word, "` is no text"));
  }
  const absl::string_view text = value.get_ref<const std::string&>();
  if (word == "pattern") return text;
  const absl::string_view pattern = FormatPattern(text);
  if (pattern.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the format ", Quoted(text), " is not supported"));
  }
  return pattern;
}

}  // namespace

absl::StatusOr<SchemaNode> ReadNumber(const ChatJson& schema, bool integer) {
  SchemaNode node;
  node.kind = SchemaNode::Kind::kNumber;
  node.integer = integer;
  ASSIGN_OR_RETURN(node.low, ReadLimit(schema, "minimum", "exclusiveMinimum", 1));
  ASSIGN_OR_RETURN(node.high, ReadLimit(schema, "maximum", "exclusiveMaximum", -1));
  return node;
}

absl::StatusOr<SchemaNode> StringReader::ReadString(const ChatJson& schema) {
  SchemaNode node;
  node.kind = SchemaNode::Kind::kString;
  ASSIGN_OR_RETURN(node.min, CountKeyword(schema, "minLength", 0, kSchemaMinCountMax));
  ASSIGN_OR_RETURN(node.max, CountKeyword(schema, "maxLength", -1, kSchemaMaxCountMax));
  for (const char* const word : {"pattern", "format"}) {
    const ChatJson* const value = FieldOf(schema, word);
    if (value == nullptr) continue;
    ASSIGN_OR_RETURN(const absl::string_view pattern, PatternOf(word, *value));
    RETURN_IF_ERROR(
        Annotate(AddPattern(pattern, &node), absl::StrCat("`", word, "` ", Quoted(pattern))));
  }
  const bool never = (node.pattern != nullptr && node.pattern->states.empty()) ||
                     (node.max >= 0 && node.min > node.max);
  if (never) node.kind = SchemaNode::Kind::kNever;
  return node;
}

absl::Status StringReader::AddPattern(absl::string_view pattern, SchemaNode* node) {
  std::shared_ptr<const CharDfa>& known = patterns_[std::string(pattern)];
  if (known == nullptr) {
    ASSIGN_OR_RETURN(CharDfa dfa, RegexDfa(pattern));
    num_states_ += static_cast<int64_t>(dfa.states.size());
    known = std::make_shared<const CharDfa>(std::move(dfa));
    if (patterns_.size() > kSchemaPatternsMax || num_states_ > kSchemaPatternStatesMax) {
      return absl::InvalidArgumentError("the schema's patterns are too many or too large");
    }
  }
  if (node->pattern == nullptr) {
    node->pattern = known;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(CharDfa both, Intersection(*node->pattern, *known));
  node->pattern = std::make_shared<const CharDfa>(std::move(both));
  return absl::OkStatus();
}

}  // namespace coterie

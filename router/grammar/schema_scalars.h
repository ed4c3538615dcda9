// What a JSON schema says of numbers and of strings.
#ifndef COTERIE_ROUTER_GRAMMAR_SCHEMA_SCALARS_H_
#define COTERIE_ROUTER_GRAMMAR_SCHEMA_SCALARS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"
#include "router/grammar/json_schema.h"

namespace coterie {

// The longest text or list that a schema may ask for, and that it may allow: far beyond any answer.
inline constexpr int64_t kSchemaMinCountMax = 100000;
inline constexpr int64_t kSchemaMaxCountMax = int64_t{1} << 40;
// Of one schema, patterns and their states.
inline constexpr int kSchemaPatternsMax = 200;
inline constexpr int64_t kSchemaPatternStatesMax = 40000;

// minimum, maximum and the exclusive ones. InvalidArgument when one is no number, or has too many
// digits. Thread-safe.
absl::StatusOr<SchemaNode> ReadNumber(const ChatJson& schema, bool integer);

// minLength, maxLength, pattern, format. Thread-compatible; one for each schema, because it bounds
// the patterns together.
class StringReader {
 public:
  // InvalidArgument when one is malformed, or a pattern or format not understood.
  absl::StatusOr<SchemaNode> ReadString(const ChatJson& schema);

 private:
  absl::Status AddPattern(absl::string_view pattern, SchemaNode* node);

  std::map<std::string, std::shared_ptr<const CharDfa>> patterns_;
  int64_t num_states_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_SCHEMA_SCALARS_H_

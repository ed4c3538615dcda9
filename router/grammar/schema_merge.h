// What two schemas have in common: allOf, and keywords that stand beside each other.
#ifndef COTERIE_ROUTER_GRAMMAR_SCHEMA_MERGE_H_
#define COTERIE_ROUTER_GRAMMAR_SCHEMA_MERGE_H_

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/statusor.h"
#include "router/grammar/json_schema.h"

namespace coterie {

// Adds nodes to a schema that is being read. Thread-compatible.
class SchemaMerge {
 public:
  // Not owned, outlives this.
  explicit SchemaMerge(JsonSchema* schema) : schema_(*schema) {}

  // The node of the values that are in both. Exact, save that the two may be found to have nothing
  // in common only later. InvalidArgument when one is still being read (a schema merged with
  // itself), when the merged schema is too large or its pattern has too many states.
  absl::StatusOr<int32_t> Common(int32_t a, int32_t b) { return CommonAt(a, b, 0); }

 private:
  absl::StatusOr<int32_t> CommonAt(int32_t a, int32_t b, int depth);
  absl::StatusOr<int32_t> CommonOptions(int32_t choice, int32_t other, bool choice_first,
                                        int depth);
  absl::StatusOr<int32_t> CommonStrings(const SchemaNode& a, const SchemaNode& b);
  absl::StatusOr<int32_t> CommonObjects(const SchemaNode& a, const SchemaNode& b, int depth);
  absl::StatusOr<int32_t> CommonArrays(const SchemaNode& a, const SchemaNode& b, int depth);
  int32_t CommonNumbers(const SchemaNode& a, const SchemaNode& b);
  int32_t CommonLiterals(const SchemaNode& literal, int32_t other);
  int32_t Add(SchemaNode node);
  int32_t Never() { return Add({.kind = SchemaNode::Kind::kNever}); }

  JsonSchema& schema_;
  std::map<std::pair<int32_t, int32_t>, int32_t> known_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_SCHEMA_MERGE_H_

// JSON schema as JSON → JsonSchema.
#ifndef COTERIE_ROUTER_GRAMMAR_SCHEMA_READER_H_
#define COTERIE_ROUTER_GRAMMAR_SCHEMA_READER_H_

#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "router/grammar/json_schema.h"

namespace coterie {

// Values of all enums together.
inline constexpr int64_t kSchemaValuesMax = 20000;

// Reads type (one or a list), nullable, enum, const, anyOf, oneOf (of options that are seen to
// exclude each other), allOf, $ref within the schema; properties, required, additionalProperties;
// items, prefixItems, minItems, maxItems; minLength, maxLength, pattern (regex_ast.h), format
// (regex_dfa.h); minimum, maximum and the exclusive ones. Where keywords have no `type` beside
// them, values are of the type that they are about.
//
// InvalidArgument, beginning with "at " and the place as a JSON pointer: a keyword that is not
// supported, a malformed one, a pattern that is not understood, a schema that is too large or too
// deep, that refers to itself without end or that nothing satisfies. Time and memory are bounded,
// whatever the schema. Thread-safe.
absl::StatusOr<JsonSchema> ReadSchema(const ChatJson& schema);

// Any object.
JsonSchema AnyObjectSchema();

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_SCHEMA_READER_H_

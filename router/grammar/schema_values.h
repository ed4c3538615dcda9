// Questions about schemas that are answered without generating anything.
#ifndef COTERIE_ROUTER_GRAMMAR_SCHEMA_VALUES_H_
#define COTERIE_ROUTER_GRAMMAR_SCHEMA_VALUES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "model/chat_json.h"
#include "router/grammar/json_schema.h"

namespace coterie {

// True when `value` is one of the schema's. False while part of the schema is still being read.
bool Accepts(const JsonSchema& schema, int32_t node, const ChatJson& value);

// True when no value can be of both; false when that is not known.
bool AreDisjoint(const JsonSchema& schema, int32_t a, int32_t b);

// Drops the options that are not preferred, and fills in the heights. InvalidArgument when a schema
// refers to itself without anything in between, or when no value of the root exists that is not too
// deep.
absl::Status CheckSchema(JsonSchema* schema);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_SCHEMA_VALUES_H_

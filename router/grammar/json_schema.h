// JsonSchema: what a JSON schema says of values, in a form in which nothing is said twice.
#ifndef COTERIE_ROUTER_GRAMMAR_JSON_SCHEMA_H_
#define COTERIE_ROUTER_GRAMMAR_JSON_SCHEMA_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "router/grammar/char_dfa.h"
#include "router/grammar/decimal.h"

namespace coterie {

// More nodes than this are refused.
inline constexpr int kSchemaNodesMax = 20000;

struct NumberLimit {
  Decimal value;
  bool exclusive = false;
};

struct SchemaProperty {
  std::string name;
  int32_t schema = -1;
  bool required = false;
};

// One set of values. Other nodes are named by their index.
struct SchemaNode {
  enum class Kind {
    kNever,
    kAny,
    kNull,
    kBoolean,
    kNumber,
    kString,
    kObject,
    kArray,
    kLiteral,  // one of `values`
    kAnyOf,    // one of `options`
    kRef,      // `target`, -1 while that is being read
  };
  Kind kind = Kind::kAny;

  bool integer = false;  // of numbers
  std::optional<NumberLimit> low, high;

  int64_t min = 0, max = -1;               // characters or items; -1: no end
  std::shared_ptr<const CharDfa> pattern;  // of strings

  std::vector<SchemaProperty> properties;
  int32_t additional = -1;  // schema of properties that are not declared; of an object always set
  bool additional_is_default = false;  // the schema says nothing of them

  std::vector<int32_t> prefix;  // schemas of the first items
  int32_t items = -1;           // schema of the others; of an array always set

  std::vector<ChatJson> values;
  std::vector<int32_t> options;
  // So many of the first options are what a schema without a `type` speaks about. Strictly it lets
  // all other types through; while schemas are compared and merged those count, and CheckSchema
  // drops them.
  int32_t num_preferred = 0;
  int32_t target = -1;
};

// A value; thread-compatible.
struct JsonSchema {
  std::vector<SchemaNode> nodes;
  int32_t root = -1;
  // Levels of objects and arrays that a value of each node has below it at least; too deep to be
  // written: kSchemaHeightNone. Filled in by CheckSchema.
  std::vector<int> heights;

  // What a reference leads to; a node that is none itself. -1 while it is being read.
  int32_t Resolved(int32_t node) const;
};

inline constexpr int kSchemaHeightNone = 1 << 20;

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_JSON_SCHEMA_H_

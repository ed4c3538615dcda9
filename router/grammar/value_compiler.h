// ValueCompiler: a JsonSchema → rules of a grammar, in one of the two syntaxes.
#ifndef COTERIE_ROUTER_GRAMMAR_VALUE_COMPILER_H_
#define COTERIE_ROUTER_GRAMMAR_VALUE_COMPILER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "router/grammar/json_schema.h"
#include "router/grammar/program_builder.h"

namespace coterie {

// Objects of JSON have their properties in the order of the schema. Those of calls have them in any
// order: the model was trained on sorted keys, without regard to case, but is shown the schema's
// order as often, and a bit for each key costs nothing. Beyond 64 keys it is the sorted order.
//
// In calls a property that is not declared may come only where `additionalProperties` says so, or
// where none is declared: the parameters of a function are its parameters.
//
// Keys that are not declared may come twice: an automaton does not remember them. JSON's readers
// take the last; a call in which that happens is reported as broken by the parser of calls.
//
// Thread-compatible; one for each schema.
class ValueCompiler {
 public:
  // Not owned, outlive this. `schema` has been checked. In calls the builder has a quote token.
  ValueCompiler(const JsonSchema* schema, ValueSyntax syntax, ProgramBuilder* builder)
      : schema_(*schema), syntax_(syntax), builder_(*builder) {}

  // The rule of the schema's values. InvalidArgument when the syntax cannot express them (a key
  // with a colon, in calls), when limits contradict each other, or when the grammar grows too
  // large.
  absl::StatusOr<int32_t> Compile();

 private:
  int32_t RuleOf(int32_t node);
  absl::StatusOr<int32_t> Start(const SchemaNode& node, int32_t index);
  absl::StatusOr<int32_t> StringStart(const SchemaNode& node);
  absl::StatusOr<int32_t> ObjectStart(const SchemaNode& node);
  absl::StatusOr<int32_t> KeyStart(const std::string& name, int32_t value);
  int32_t AdditionalKeyStart(const std::vector<std::string>& names, int32_t value);
  int32_t ArrayStart(const SchemaNode& node);
  absl::StatusOr<int32_t> AnyStart(int32_t node);
  bool IsPossible(int32_t node) const;
  int32_t Space(int32_t next) {
    return syntax_ == ValueSyntax::kJson ? builder_.Space(next) : next;
  }

  const JsonSchema& schema_;
  const ValueSyntax syntax_;
  ProgramBuilder& builder_;
  std::vector<int32_t> rules_;    // by node; -1: not asked for yet
  int32_t any_ = -1;              // the node that stands for all of its kind
  std::vector<int32_t> pending_;  // nodes whose rules have no start yet
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_VALUE_COMPILER_H_

// SchemaJudge: an independent, slow validator for JSON schema, written from the specification and
// sharing nothing with router/grammar.
#ifndef COTERIE_TESTS_ROUTER_GRAMMAR_SCHEMA_JUDGE_H_
#define COTERIE_TESTS_ROUTER_GRAMMAR_SCHEMA_JUDGE_H_

#include "model/chat_json.h"

namespace coterie {

// True when `value` satisfies `schema`, whose references are looked up in `document`. Knows the
// keywords that drawn schemas have (schema_draws.h) and those of the tests by hand.
bool Satisfies(const ChatJson& value, const ChatJson& schema, const ChatJson& document);

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_GRAMMAR_SCHEMA_JUDGE_H_

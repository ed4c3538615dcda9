// Walks through what a constraint lets through.
#ifndef COTERIE_TESTS_ROUTER_GRAMMAR_GRAMMAR_WALK_H_
#define COTERIE_TESTS_ROUTER_GRAMMAR_GRAMMAR_WALK_H_

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "router/sampling/token_constraint.h"
#include "tests/router/grammar/grammar_models.h"

namespace coterie {

// The tokens that `constraint` leaves now.
std::vector<int32_t> Allowed(const GrammarModel& model, TokenConstraint* constraint);

// Draws an allowed token at each step until a stop token, which is the last of the result. After
// `steps` it draws what leads to the end. Empty when no end came.
std::vector<int32_t> RandomWalk(const GrammarModel& model, TokenConstraint* constraint, int steps,
                                std::mt19937_64* random);

// True when each of `tokens` is allowed where it stands.
bool Follows(const GrammarModel& model, TokenConstraint* constraint,
             std::span<const int32_t> tokens);

// The text of tokens, without control tokens.
std::string TextOf(const GrammarModel& model, std::span<const int32_t> tokens);

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_GRAMMAR_GRAMMAR_WALK_H_

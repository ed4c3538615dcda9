// Which tokens may come at a state of a grammar.
#ifndef COTERIE_ROUTER_GRAMMAR_TOKEN_WALK_H_
#define COTERIE_ROUTER_GRAMMAR_TOKEN_WALK_H_

#include <cstdint>

#include "router/grammar/grammar_automaton.h"
#include "router/grammar/grammar_vocabulary.h"
#include "router/grammar/token_mask.h"

namespace coterie {

// Walks the trie of the vocabulary along with the automaton. Inside a string the plain tokens,
// which are nearly all, are taken together, and only the others are walked.
//
// Exact, unless a grammar has so many readings that the walk takes more than the limits below: then
// tokens of several bytes are left out, and the answer is spelled in shorter ones.
TokenMask MaskOf(const GrammarVocabulary& vocabulary, int32_t state, GrammarAutomaton* automaton);

// In places of states and new states, of which a typical walk looks at hundreds: some 20 ms, 4 MB.
inline constexpr int64_t kWalkWorkMax = 100000;
inline constexpr int64_t kWalkStatesMax = 4000;

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_TOKEN_WALK_H_

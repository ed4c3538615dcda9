// OutputPlan: what one request lets its answers be.
#ifndef COTERIE_ROUTER_GRAMMAR_OUTPUT_PLAN_H_
#define COTERIE_ROUTER_GRAMMAR_OUTPUT_PLAN_H_

#include <cstdint>
#include <vector>

#include "router/grammar/grammar_program.h"
#include "router/grammar/grammar_vocabulary.h"

namespace coterie {

// An answer is a channel of reasoning or none, then text. The text is free, or under the grammar
// from its first token on; where it is free, a call's beginning puts it under the grammar until the
// call's end, or the answer's. Const; thread-safe.
struct OutputPlan {
  const GrammarVocabulary* vocabulary = nullptr;  // not owned, outlives this
  GrammarProgram program;
  int32_t start = -1;     // node at which the text begins; -1: it is free
  int32_t in_call = -1;   // node after a call's beginning; -1: no call may come
  bool one_call = false;  // in free text that no token ends: a second one may not come
  bool starts_in_channel = false;
  int32_t channel_begin = -1, channel_end = -1, call_begin = -1;  // tokens; -1: there is none
  std::vector<int32_t> stop_tokens;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_OUTPUT_PLAN_H_

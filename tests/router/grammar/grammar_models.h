// Vocabularies that grammars are tried on.
#ifndef COTERIE_TESTS_ROUTER_GRAMMAR_GRAMMAR_MODELS_H_
#define COTERIE_TESTS_ROUTER_GRAMMAR_GRAMMAR_MODELS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/chat_tokens.h"
#include "model/tokenizer.h"
#include "router/grammar/grammar_vocabulary.h"
#include "router/grammar/output_constraint.h"

namespace coterie {

struct GrammarModel {
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<const GrammarVocabulary> vocabulary;
  ChatTokens tokens;
  std::vector<int32_t> stop_tokens;  // <eos>, <turn|>, <|tool_response>

  // Text to tokens, one way of many: spelled at random with `seed`, as the tokenizer would with 0.
  std::vector<int32_t> Spell(absl::string_view text, uint64_t seed) const;
};

// Control tokens, all bytes, and a few hundred pieces in which JSON's characters stand beside each
// other: small enough for each token to be tried alone.
const GrammarModel& SmallModel();

// The demo model's tokenizer.
const GrammarModel& DemoModel();

// `num_tokens` tokens that look like Gemma's: the demo model's words, and words, digits, brackets
// and characters of other scripts put together from a fixed seed.
Vocabulary LargeVocabulary(int32_t num_tokens);

// A model of this vocabulary. Aborts when it is none.
std::unique_ptr<GrammarModel> MakeModel(Vocabulary vocabulary);

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_GRAMMAR_GRAMMAR_MODELS_H_

// GrammarVocabulary: the tokens of a model as a grammar sees them, by their bytes.
#ifndef COTERIE_ROUTER_GRAMMAR_GRAMMAR_VOCABULARY_H_
#define COTERIE_ROUTER_GRAMMAR_GRAMMAR_VOCABULARY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/vocabulary.h"
#include "router/grammar/byte_trie.h"
#include "router/grammar/token_mask.h"
#include "router/grammar/value_syntax.h"

namespace coterie {

// Tokens of which every character may stand inside a string as it is, or end nothing at least. In a
// string nearly all of a vocabulary is such; only the rest has to be looked at.
struct PlainTokens {
  TokenMask mask;
  std::vector<int32_t> by_length;  // the tokens of `mask`, those of few characters first
  std::vector<int32_t> ends;       // [chars_max + 1] `by_length` up to here has at most so many
  ByteTrie rest;                   // all other tokens

  int64_t chars_max() const { return static_cast<int64_t>(ends.size()) - 1; }
};

// Built once for a model, shared by all requests: some 15 MB and half a second for 262,144 tokens.
// Control tokens have no bytes. Const after construction; thread-safe.
class GrammarVocabulary {
 public:
  // `vocabulary` passes Validate(); it is not needed afterwards.
  explicit GrammarVocabulary(const Vocabulary& vocabulary);

  int32_t num_tokens() const { return static_cast<int32_t>(begins_.size()) - 1; }
  // What a token adds to the text; empty for control tokens and for none of the vocabulary.
  absl::string_view Bytes(int32_t token) const;
  // True when every text can be spelled: there is a token for each byte.
  bool spells_everything() const { return spells_everything_; }

  const ByteTrie& trie() const { return trie_; }
  const PlainTokens& plain(ValueSyntax syntax) const {
    return syntax == ValueSyntax::kJson ? plain_json_ : plain_call_;
  }

 private:
  PlainTokens MakePlain(ValueSyntax syntax) const;

  std::string bytes_;            // of all tokens, one after the other
  std::vector<int32_t> begins_;  // [num_tokens + 1]
  bool spells_everything_ = false;
  ByteTrie trie_;
  PlainTokens plain_json_, plain_call_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_GRAMMAR_VOCABULARY_H_

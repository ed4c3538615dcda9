// Cuts the added tokens of a vocabulary out of a text, before anything is merged: control tokens,
// newline runs, HTML tags. Thread-safe: const after construction.
#ifndef COTERIE_MODEL_ADDED_TOKENS_H_
#define COTERIE_MODEL_ADDED_TOKENS_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/token_trie.h"
#include "model/vocabulary.h"

namespace coterie {

// What becomes of a control token's spelling in a text.
enum class ControlTokens {
  kParse,      // it is the control token: text of our own making, such as a rendered chat template
  kPlainText,  // it is text like any other: whatever a user, a tool or a document wrote
};

class AddedTokens {
 public:
  // Of a text: one added token, or (token < 0) a stretch between them.
  struct Piece {
    int32_t token = -1;
    absl::string_view text;
  };

  // Those of `vocabulary` whose `normalized` is the one given. Requires a vocabulary that passes
  // Validate().
  AddedTokens(const Vocabulary& vocabulary, bool normalized);

  // The pieces of `text` in order, none of them empty; they point into it. Strips white space as
  // the tokens ask.
  std::vector<Piece> Cut(absl::string_view text, ControlTokens control) const;

 private:
  std::vector<AddedToken> tokens_;
  TokenTrie trie_;  // spelling → index into tokens_
};

}  // namespace coterie

#endif  // COTERIE_MODEL_ADDED_TOKENS_H_

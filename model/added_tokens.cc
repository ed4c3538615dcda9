#include "model/added_tokens.h"

#include <algorithm>

#include "absl/strings/str_replace.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// How the spelling looks in the text that is searched.
std::string SearchedSpelling(const Vocabulary& vocabulary, const AddedToken& token) {
  const std::string& spelling = vocabulary.tokens[token.id];
  return token.normalized ? absl::StrReplaceAll(spelling, {{" ", "▁"}}) : spelling;
}

}  // namespace

AddedTokens::AddedTokens(const Vocabulary& vocabulary, bool normalized) {
  for (const AddedToken& token : vocabulary.added_tokens) {
    if (token.normalized == normalized) tokens_.push_back(token);
  }
  // Where two are spelled alike after normalisation, the control token wins, as in Hugging Face's
  // order.
  std::stable_partition(tokens_.begin(), tokens_.end(),
                        [](const AddedToken& token) { return token.special; });
  for (size_t i = 0; i < tokens_.size(); ++i) {
    trie_.Insert(SearchedSpelling(vocabulary, tokens_[i]), static_cast<int32_t>(i));
  }
}

std::vector<AddedTokens::Piece> AddedTokens::Cut(absl::string_view text,
                                                 ControlTokens control) const {
  std::vector<Piece> pieces;
  size_t rest = 0;  // where the text that is not yet in a piece begins
  for (auto match = trie_.Find(text, 0); match; match = trie_.Find(text, match->end)) {
    const AddedToken& token = tokens_[match->value];
    // Passed over whole: an added token inside a control token's spelling is not looked for, as
    // with Hugging Face.
    if (token.special && control == ControlTokens::kPlainText) continue;
    size_t begin = match->begin, end = match->end;
    if (token.lstrip) begin = std::max(rest, begin - WhiteSpaceAtBack(text.substr(0, begin)));
    if (token.rstrip) end += WhiteSpaceAtFront(text.substr(end));
    if (rest < begin) pieces.push_back({-1, text.substr(rest, begin - rest)});
    pieces.push_back({token.id, text.substr(begin, end - begin)});
    // A match inside white space that an earlier token took along steps back here. So does Hugging
    // Face.
    rest = end;
  }
  if (rest < text.size()) pieces.push_back({-1, text.substr(rest)});
  return pieces;
}

}  // namespace coterie

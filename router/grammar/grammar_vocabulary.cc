#include "router/grammar/grammar_vocabulary.h"

#include <algorithm>
#include <bitset>
#include <utility>

#include "absl/strings/str_replace.h"
#include "router/grammar/text_chars.h"

namespace coterie {
namespace {

std::string TextOf(const Vocabulary& vocabulary, int32_t token) {
  const std::string& spelling = vocabulary.tokens[token];
  if (vocabulary.types[token] == TokenType::kControl || IsControlSpelling(spelling)) return "";
  // As the detokeniser reads them: the spelling makes a byte token.
  if (const auto byte = ByteOfSpelling(spelling)) return std::string(1, static_cast<char>(*byte));
  return absl::StrReplaceAll(spelling, {{"▁", " "}});
}

// Characters of `text`; -1 when not all of it is plain and whole.
int64_t NumPlainChars(ValueSyntax syntax, absl::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [syntax](char c) {
    return IsPlainByte(syntax, static_cast<uint8_t>(c));
  });
  return plain && text.size() <= kTrieDepthMax ? NumChars(text) : -1;
}

}  // namespace

GrammarVocabulary::GrammarVocabulary(const Vocabulary& vocabulary) {
  begins_.reserve(vocabulary.tokens.size() + 1);
  std::bitset<256> single;
  for (int32_t token = 0; token < vocabulary.num_tokens(); ++token) {
    begins_.push_back(static_cast<int32_t>(bytes_.size()));
    const std::string text = TextOf(vocabulary, token);
    if (text.size() == 1) single.set(static_cast<uint8_t>(text[0]));
    bytes_ += text;
  }
  begins_.push_back(static_cast<int32_t>(bytes_.size()));
  spells_everything_ = single.all();

  std::vector<ByteTrie::Entry> entries;
  entries.reserve(num_tokens());
  for (int32_t token = 0; token < num_tokens(); ++token) entries.push_back({Bytes(token), token});
  trie_ = ByteTrie(std::move(entries));
  plain_json_ = MakePlain(ValueSyntax::kJson);
  plain_call_ = MakePlain(ValueSyntax::kCall);
}

absl::string_view GrammarVocabulary::Bytes(int32_t token) const {
  if (token < 0 || token >= num_tokens()) return "";
  return absl::string_view(bytes_).substr(begins_[token], begins_[token + 1] - begins_[token]);
}

PlainTokens GrammarVocabulary::MakePlain(ValueSyntax syntax) const {
  PlainTokens plain;
  plain.mask = TokenMask(num_tokens());
  std::vector<std::vector<int32_t>> by_length(1);
  std::vector<ByteTrie::Entry> rest;
  for (int32_t token = 0; token < num_tokens(); ++token) {
    const absl::string_view bytes = Bytes(token);
    const int64_t num_chars = bytes.empty() ? -1 : NumPlainChars(syntax, bytes);
    if (num_chars < 0) {
      rest.push_back({bytes, token});
      continue;
    }
    plain.mask.Set(token);
    if (static_cast<int64_t>(by_length.size()) <= num_chars) by_length.resize(num_chars + 1);
    by_length[num_chars].push_back(token);
  }
  for (const auto& tokens : by_length) {
    plain.by_length.insert(plain.by_length.end(), tokens.begin(), tokens.end());
    plain.ends.push_back(static_cast<int32_t>(plain.by_length.size()));
  }
  plain.rest = ByteTrie(std::move(rest));
  return plain;
}

}  // namespace coterie

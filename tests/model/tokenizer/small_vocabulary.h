// A vocabulary in Gemma's form that fits on a page, and texts to try on it.
#ifndef COTERIE_TESTS_MODEL_TOKENIZER_SMALL_VOCABULARY_H_
#define COTERIE_TESTS_MODEL_TOKENIZER_SMALL_VOCABULARY_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/tokenizer.h"
#include "model/vocabulary.h"

namespace coterie {

// Builds a vocabulary by spelling; a merge names its parts, the result must have been added.
class VocabularyBuilder {
 public:
  int32_t Add(const std::string& text, TokenType type = TokenType::kNormal);
  // A token that is cut out of texts: control if it is `special`, else user-defined.
  int32_t AddCutOut(const std::string& text, AddedToken flags);
  void AddMerge(const std::string& left, const std::string& right);
  int32_t Id(const std::string& text) const;
  Vocabulary& vocabulary() { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
};

// <pad> <eos> <bos> <unk> <mask>, 256 bytes, newline, ▁, a to z; runs of spaces and newlines;
// "hello" and "▁world" with the merges that lead to them; <|turn>, <turn|>; <table>, which is
// ordinary text.
VocabularyBuilder SmallVocabulary();

std::unique_ptr<const Tokenizer> SmallTokenizer();

// A valid text of `num_characters` from all planes, with what the small vocabulary knows among
// them. Never ▁, which does not survive a round trip.
std::string RandomText(int num_characters, std::mt19937_64* random);

// The UTF-8 of a code point.
std::string Utf8(uint32_t code_point);

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_TOKENIZER_SMALL_VOCABULARY_H_

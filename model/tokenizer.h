// Text to tokens, with the same ids as Hugging Face `tokenizers` gives for the same file.
#ifndef COTERIE_MODEL_TOKENIZER_H_
#define COTERIE_MODEL_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/added_tokens.h"
#include "model/bpe.h"
#include "model/vocabulary.h"

namespace coterie {

// The longest text that one call encodes. Merging takes some 60 bytes of memory for each byte of
// it.
inline constexpr int64_t kTextBytesMax = 256 << 20;

// Encodes text. Decoding is detokenizer.h.
//
// Guarantees: with kParse, the ids of Hugging Face `tokenizers` without its post-processor, so that
// no <bos> is added; with kPlainText, no control token in the result except <unk>, whatever the
// text spells (and otherwise what Hugging Face gives with encode_special_tokens). Decoding gives
// the text back exactly, save that a ▁ of the text comes back as a space. Thread-safe: const after
// Create.
//
//   ASSIGN_OR_RETURN(Vocabulary vocabulary, VocabularyFromTokenizerJson(json));
//   ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(std::move(vocabulary)));
//   ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenizer->Encode("Hello world",
//   ControlTokens::kPlainText));
class Tokenizer {
 public:
  // InvalidArgument when `vocabulary` fails its Validate(), or leaves characters that nothing can
  // stand for.
  static absl::StatusOr<std::unique_ptr<const Tokenizer>> Create(Vocabulary vocabulary);

  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // InvalidArgument when `text` is not UTF-8 (the message names the first bad byte) or longer than
  // kTextBytesMax.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text, ControlTokens control) const;

  // The token of exactly this spelling, with ▁ for a space: TokenId("<|turn>").
  std::optional<int32_t> TokenId(absl::string_view spelling) const;

  // Requires a token of the vocabulary.
  bool IsControl(int32_t token) const { return vocabulary_.types[token] == TokenType::kControl; }

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  explicit Tokenizer(Vocabulary vocabulary);

  // A stretch between the tokens that are cut out of the raw text.
  void EncodeStretch(absl::string_view text, ControlTokens control,
                     std::vector<int32_t>* ids) const;

  const Vocabulary vocabulary_;
  const AddedTokens raw_tokens_;         // cut out before spaces become ▁
  const AddedTokens normalized_tokens_;  // and after
  const Bpe bpe_;
  absl::flat_hash_map<absl::string_view, int32_t> ids_;  // keys point into vocabulary_
};

}  // namespace coterie

#endif  // COTERIE_MODEL_TOKENIZER_H_

// Tokens to text: all at once, or token by token as they are generated.
#ifndef COTERIE_MODEL_DETOKENIZER_H_
#define COTERIE_MODEL_DETOKENIZER_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "model/vocabulary.h"

namespace coterie {

enum class ControlText {
  kHide,  // control tokens leave no trace in the text
  kShow,  // they appear as they are spelled: for whoever parses channels and tool calls
};

// Turns tokens into text as they come. The pieces, put together, are what Hugging Face `tokenizers`
// decodes from all the tokens at once, and each piece is valid UTF-8.
//
// Byte tokens are held back until a token of another kind follows: only then is it known whether
// the run is text. A run that is not valid UTF-8 becomes one U+FFFD per byte, its valid characters
// included; emitting those early would make the stream differ from the whole. A hidden control
// token does not end a run. Thread-compatible.
//
//   Detokenizer detokenizer(&tokenizer->vocabulary(), ControlText::kHide);
//   for (int32_t token : tokens) { ASSIGN_OR_RETURN(const std::string text,
//   detokenizer.Append(token)); Send(text); } Send(detokenizer.Finish());
class Detokenizer {
 public:
  // `vocabulary` passes Validate(); not owned, outlives this.
  Detokenizer(const Vocabulary* vocabulary, ControlText control);

  // The text that `token` settles; often all of its own, sometimes none. InvalidArgument, and no
  // change, when the vocabulary has no such token.
  absl::StatusOr<std::string> Append(int32_t token);

  // The text that was held back. Afterwards the detokenizer is as new.
  std::string Finish();

 private:
  const Vocabulary* const vocabulary_;
  const ControlText control_;
  std::string bytes_;  // a run of byte tokens that has not ended
};

// All of `tokens` at once. InvalidArgument when the vocabulary lacks one of them.
absl::StatusOr<std::string> Decode(const Vocabulary& vocabulary, std::span<const int32_t> tokens,
                                   ControlText control);

}  // namespace coterie

#endif  // COTERIE_MODEL_DETOKENIZER_H_

#include "model/detokenizer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/status_macros.h"
#include "model/utf8.h"

namespace coterie {

Detokenizer::Detokenizer(const Vocabulary* vocabulary, ControlText control)
    : vocabulary_(vocabulary), control_(control) {}

absl::StatusOr<std::string> Detokenizer::Append(int32_t token) {
  if (token < 0 || token >= vocabulary_->num_tokens()) {
    return absl::InvalidArgumentError(absl::StrCat("token ", token,
                                                   " is not in the vocabulary, which has 0 to ",
                                                   vocabulary_->num_tokens() - 1));
  }
  if (control_ == ControlText::kHide && vocabulary_->types[token] == TokenType::kControl)
    return std::string();
  const std::string& spelling = vocabulary_->tokens[token];
  if (const auto byte = ByteOfSpelling(spelling)) {
    bytes_.push_back(static_cast<char>(*byte));
    return std::string();
  }
  std::string text = Finish();
  absl::StrAppend(&text, absl::StrReplaceAll(spelling, {{"▁", " "}}));
  return text;
}

std::string Detokenizer::Finish() {
  std::string bytes = std::exchange(bytes_, std::string());
  if (IsValidUtf8(bytes)) return bytes;
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) text += "\uFFFD";
  return text;
}

absl::StatusOr<std::string> Decode(const Vocabulary& vocabulary, std::span<const int32_t> tokens,
                                   ControlText control) {
  Detokenizer detokenizer(&vocabulary, control);
  std::string text;
  for (int32_t token : tokens) {
    ASSIGN_OR_RETURN(const std::string piece, detokenizer.Append(token));
    text += piece;
  }
  return text + detokenizer.Finish();
}

}  // namespace coterie

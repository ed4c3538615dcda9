#include "model/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "kernels/status_macros.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// Without an unknown token every byte needs a token, or characters would vanish without a word.
absl::Status CheckNothingVanishes(const Vocabulary& vocabulary) {
  if (vocabulary.unk_id) return absl::OkStatus();
  std::vector<bool> has_byte(256);
  for (const std::string& token : vocabulary.tokens) {
    const auto byte = ByteOfSpelling(token);
    // Only the upper-case spelling encodes (bpe.cc).
    if (byte && token == absl::StrFormat("<0x%02X>", *byte)) has_byte[*byte] = true;
  }
  const auto missing = std::find(has_byte.begin(), has_byte.end(), false);
  if (vocabulary.byte_fallback && missing == has_byte.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the vocabulary has no unknown token, and ",
      vocabulary.byte_fallback ? absl::StrCat("no token for the byte ", missing - has_byte.begin())
                               : "no byte fallback",
      ": some characters would have no token"));
}

absl::Status CheckText(absl::string_view text) {
  if (static_cast<int64_t>(text.size()) > kTextBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", text.size(), " bytes; at most ",
                                                   kTextBytesMax, " are encoded"));
  }
  const size_t valid = ValidUtf8Prefix(text);
  if (valid == text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the text is not UTF-8: byte ", valid, " is 0x",
                   absl::Hex(static_cast<uint8_t>(text[valid]), absl::kZeroPad2),
                   ", which does not begin a whole character"));
}

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      raw_tokens_(vocabulary_, /*normalized=*/false),
      normalized_tokens_(vocabulary_, /*normalized=*/true),
      bpe_(vocabulary_) {
  ids_.reserve(vocabulary_.tokens.size());
  for (int32_t id = 0; id < vocabulary_.num_tokens(); ++id)
    ids_.emplace(vocabulary_.tokens[id], id);
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> Tokenizer::Create(Vocabulary vocabulary) {
  RETURN_IF_ERROR(vocabulary.Validate());
  RETURN_IF_ERROR(CheckNothingVanishes(vocabulary));
  return absl::WrapUnique<const Tokenizer>(new Tokenizer(std::move(vocabulary)));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view text,
                                                       ControlTokens control) const {
  RETURN_IF_ERROR(CheckText(text));
  std::vector<int32_t> ids;
  for (const AddedTokens::Piece& piece : raw_tokens_.Cut(text, control)) {
    if (piece.token >= 0) {
      ids.push_back(piece.token);
    } else {
      EncodeStretch(piece.text, control, &ids);
    }
  }
  return ids;
}

void Tokenizer::EncodeStretch(absl::string_view text, ControlTokens control,
                              std::vector<int32_t>* ids) const {
  const std::string normalized = absl::StrReplaceAll(text, {{" ", "▁"}});
  for (const AddedTokens::Piece& piece : normalized_tokens_.Cut(normalized, control)) {
    if (piece.token >= 0) {
      ids->push_back(piece.token);
    } else {
      bpe_.Encode(piece.text, control, ids);
    }
  }
}

std::optional<int32_t> Tokenizer::TokenId(absl::string_view spelling) const {
  const auto found = ids_.find(spelling);
  return found == ids_.end() ? std::nullopt : std::optional<int32_t>(found->second);
}

}  // namespace coterie

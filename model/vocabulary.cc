#include "model/vocabulary.h"

#include <charconv>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernels/status_macros.h"
#include "model/utf8.h"

namespace coterie {
namespace {

using TokenIds = absl::flat_hash_map<absl::string_view, int32_t>;

// llama.cpp's numbers for tokenizer.ggml.token_type.
enum GgufTokenType : int32_t {
  kGgufUnknown = 2,
  kGgufControl = 3,
  kGgufUserDefined = 4,
  kGgufTypeMax = 6
};

absl::Status CheckToken(const Vocabulary& vocabulary, int32_t id, TokenIds* ids) {
  const std::string& text = vocabulary.tokens[id];
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("token ", id, " ", QuoteForMessage(text), " is not UTF-8"));
  }
  const auto [other, inserted] = ids->try_emplace(text, id);
  if (inserted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tokens ", other->second, " and ", id,
                                                 " are both spelled ", QuoteForMessage(text)));
}

absl::Status CheckId(const Vocabulary& vocabulary, absl::string_view what,
                     std::optional<int64_t> id) {
  if (!id || (*id >= 0 && *id < vocabulary.num_tokens())) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, " is ", *id, ", but the vocabulary has tokens 0 to ", vocabulary.num_tokens() - 1));
}

absl::Status CheckMerges(const Vocabulary& vocabulary) {
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const Merge& merge = vocabulary.merges[rank];
    for (int32_t id : {merge.left, merge.right, merge.merged}) {
      RETURN_IF_ERROR(CheckId(vocabulary, absl::StrCat("a token of merge ", rank), id));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAddedTokens(const Vocabulary& vocabulary) {
  std::vector<bool> seen(vocabulary.tokens.size());
  for (const AddedToken& added : vocabulary.added_tokens) {
    RETURN_IF_ERROR(CheckId(vocabulary, "the id of an added token", added.id));
    if (seen[added.id]) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", added.id, " is listed twice among the added tokens"));
    }
    seen[added.id] = true;
    const int64_t num_bytes = vocabulary.tokens[added.id].size();
    if (num_bytes < 1 || num_bytes > kAddedTokenBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("added token ", added.id, " has ", num_bytes,
                                                     " bytes; 1 to ", kAddedTokenBytesMax,
                                                     " are possible"));
    }
    // In a run of n such tokens each would take the rest of the run along: n² steps.
    const std::string& text = vocabulary.tokens[added.id];
    if ((added.lstrip || added.rstrip) && WhiteSpaceAtFront(text) == text.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "added token ", added.id, " is white space, so lstrip and rstrip must be false"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenType> TypeFromGguf(int32_t id, int32_t type, absl::string_view text) {
  if (type < 1 || type > kGgufTypeMax) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.token_type of token ", id,
                                                   " is ", type, "; 1 to ", kGgufTypeMax,
                                                   " are known"));
  }
  if (type == kGgufUnknown || type == kGgufControl) return TokenType::kControl;
  if (type == kGgufUserDefined) {
    return IsControlSpelling(text) ? TokenType::kControl : TokenType::kUserDefined;
  }
  return ByteOfSpelling(text) ? TokenType::kByte : TokenType::kNormal;
}

// Tokens and their types; those that are cut out of a text are added tokens too.
absl::Status ReadGgufTokens(const GgufTokenizer& gguf, Vocabulary* vocabulary) {
  if (gguf.token_types.size() != gguf.tokens.size()) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.token_type has ",
                                                   gguf.token_types.size(), " entries for ",
                                                   gguf.tokens.size(), " tokens"));
  }
  for (size_t i = 0; i < gguf.tokens.size(); ++i) {
    const int32_t id = static_cast<int32_t>(i);
    std::string text = gguf.tokens[i];
    // The converter writes the ▁ of user-defined tokens as spaces; the merges still say ▁.
    if (gguf.token_types[i] == kGgufUserDefined) absl::StrReplaceAll({{" ", "▁"}}, &text);
    ASSIGN_OR_RETURN(const TokenType type, TypeFromGguf(id, gguf.token_types[i], text));
    const bool special = type == TokenType::kControl;
    if (special || type == TokenType::kUserDefined) {
      vocabulary->added_tokens.push_back({.id = id, .special = special});
    }
    vocabulary->types.push_back(type);
    vocabulary->tokens.push_back(std::move(text));
  }
  return absl::OkStatus();
}

absl::StatusOr<int32_t> MergePart(const TokenIds& ids, size_t rank, absl::string_view text) {
  const auto found = ids.find(text);
  if (found != ids.end()) return found->second;
  return absl::InvalidArgumentError(absl::StrCat("merge ", rank, " names ", QuoteForMessage(text),
                                                 ", which the vocabulary lacks"));
}

absl::Status ReadGgufMerges(const GgufTokenizer& gguf, Vocabulary* vocabulary) {
  TokenIds ids;
  for (int32_t id = 0; id < vocabulary->num_tokens(); ++id)
    ids.try_emplace(vocabulary->tokens[id], id);
  for (size_t rank = 0; rank < gguf.merges.size(); ++rank) {
    const absl::string_view line = gguf.merges[rank];
    const size_t space = line.find(' ');
    if (space == absl::string_view::npos || line.find(' ', space + 1) != absl::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("merge ", rank, " is ", QuoteForMessage(line),
                       "; two tokens with one space between them are expected"));
    }
    const absl::string_view left = line.substr(0, space), right = line.substr(space + 1);
    Merge merge;
    ASSIGN_OR_RETURN(merge.left, MergePart(ids, rank, left));
    ASSIGN_OR_RETURN(merge.right, MergePart(ids, rank, right));
    ASSIGN_OR_RETURN(merge.merged, MergePart(ids, rank, absl::StrCat(left, right)));
    vocabulary->merges.push_back(merge);
  }
  return absl::OkStatus();
}

std::optional<int32_t> FindToken(const Vocabulary& vocabulary, absl::string_view text) {
  for (int32_t id = 0; id < vocabulary.num_tokens(); ++id) {
    if (vocabulary.tokens[id] == text) return id;
  }
  return std::nullopt;
}

absl::Status ReadGgufSpecialId(absl::string_view key, std::optional<int64_t> given,
                               absl::string_view spelling, const Vocabulary& vocabulary,
                               std::optional<int32_t>* id) {
  RETURN_IF_ERROR(CheckId(vocabulary, absl::StrCat("tokenizer.ggml.", key), given));
  *id = given ? std::optional<int32_t>(static_cast<int32_t>(*given))
              : FindToken(vocabulary, spelling);
  return absl::OkStatus();
}

}  // namespace

std::optional<uint8_t> ByteOfSpelling(absl::string_view token) {
  if (token.size() != 6 || !absl::StartsWith(token, "<0x") || token[5] != '>') return std::nullopt;
  uint8_t byte = 0;
  const char* const end = token.data() + 5;
  const auto [parsed, error] = std::from_chars(token.data() + 3, end, byte, 16);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return byte;
}

bool IsControlSpelling(absl::string_view token) {
  if (token.size() < 4) return false;
  return (absl::StartsWith(token, "<|") && absl::EndsWith(token, ">")) ||
         (absl::StartsWith(token, "<") && absl::EndsWith(token, "|>"));
}

absl::Status Vocabulary::Validate() const {
  if (tokens.empty()) return absl::InvalidArgumentError("the vocabulary is empty");
  if (types.size() != tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(types.size(), " token types for ", tokens.size(), " tokens"));
  }
  TokenIds ids;
  ids.reserve(tokens.size());
  for (int32_t id = 0; id < num_tokens(); ++id) RETURN_IF_ERROR(CheckToken(*this, id, &ids));
  RETURN_IF_ERROR(CheckMerges(*this));
  RETURN_IF_ERROR(CheckAddedTokens(*this));
  RETURN_IF_ERROR(CheckId(*this, "bos", bos_id));
  RETURN_IF_ERROR(CheckId(*this, "eos", eos_id));
  RETURN_IF_ERROR(CheckId(*this, "unk", unk_id));
  return CheckId(*this, "pad", pad_id);
}

absl::StatusOr<Vocabulary> VocabularyFromGguf(const GgufTokenizer& gguf) {
  if (gguf.model != "gemma4") {
    return absl::UnimplementedError(absl::StrCat("tokenizer.ggml.model is ",
                                                 QuoteForMessage(gguf.model),
                                                 "; only \"gemma4\" (BPE with merges) is read"));
  }
  Vocabulary vocabulary;
  RETURN_IF_ERROR(ReadGgufTokens(gguf, &vocabulary));
  RETURN_IF_ERROR(ReadGgufMerges(gguf, &vocabulary));
  RETURN_IF_ERROR(
      ReadGgufSpecialId("bos_token_id", gguf.bos_id, "<bos>", vocabulary, &vocabulary.bos_id));
  RETURN_IF_ERROR(
      ReadGgufSpecialId("eos_token_id", gguf.eos_id, "<eos>", vocabulary, &vocabulary.eos_id));
  RETURN_IF_ERROR(
      ReadGgufSpecialId("unknown_token_id", gguf.unk_id, "<unk>", vocabulary, &vocabulary.unk_id));
  RETURN_IF_ERROR(
      ReadGgufSpecialId("padding_token_id", gguf.pad_id, "<pad>", vocabulary, &vocabulary.pad_id));
  RETURN_IF_ERROR(vocabulary.Validate());
  return vocabulary;
}

}  // namespace coterie

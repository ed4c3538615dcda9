// VocabularyFromTokenizerJson. The file is a stranger's: every value is read through a check of its
// type, and nothing is allocated by a number the file states, only by what it contains.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/tokenizer_json.h"
#include "model/utf8.h"
#include "model/vocabulary.h"
#include "simdjson.h"

namespace coterie {
namespace {

using internal::ArrayMember;
using internal::BoolMember;
using internal::CheckGemmaForm;
using internal::CheckKeysDiffer;
using internal::Malformed;
using internal::Member;
using internal::ObjectMember;
using internal::OtherForm;
using internal::StringMember;
using internal::Text;
using internal::TokenId;
using internal::WrongType;
using simdjson::dom::element;
using TokenIds = absl::flat_hash_map<std::string, int32_t>;

absl::StatusOr<TokenIds> ReadVocab(const simdjson::dom::object& model) {
  ASSIGN_OR_RETURN(const simdjson::dom::object vocab, ObjectMember(model, "vocab"));
  TokenIds ids;
  for (const auto [text, value] : vocab) {
    const std::string where = absl::StrCat("token ", QuoteForMessage(Text(text)));
    ASSIGN_OR_RETURN(const int32_t id, TokenId(where, value));
    if (!ids.try_emplace(std::string(text), id).second)
      return Malformed(absl::StrCat(where, " is listed twice"));
  }
  return ids;
}

struct AddedEntry {
  std::string text;
  AddedToken token;
};

absl::StatusOr<AddedEntry> ReadAddedEntry(const element& value, absl::string_view where) {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return WrongType(where, "an object", value);
  AddedEntry entry;
  ASSIGN_OR_RETURN(const absl::string_view content, StringMember(object, "content"));
  if (content.empty()) return Malformed(absl::StrCat(where, " has no content"));
  entry.text = std::string(content);
  const auto id = Member(object, "id");
  if (!id) return Malformed(absl::StrCat(where, " has no id"));
  ASSIGN_OR_RETURN(entry.token.id, TokenId(where, *id));
  ASSIGN_OR_RETURN(entry.token.special, BoolMember(object, "special", false));
  ASSIGN_OR_RETURN(entry.token.normalized, BoolMember(object, "normalized", !entry.token.special));
  ASSIGN_OR_RETURN(entry.token.lstrip, BoolMember(object, "lstrip", false));
  ASSIGN_OR_RETURN(entry.token.rstrip, BoolMember(object, "rstrip", false));
  ASSIGN_OR_RETURN(const bool single_word, BoolMember(object, "single_word", false));
  if (single_word) return OtherForm(absl::StrCat(where, " has single_word"));
  entry.token.special = entry.token.special || IsControlSpelling(content);
  return entry;
}

// Added tokens that the model's vocabulary lacks are put into `ids`.
absl::Status ReadAddedTokens(const simdjson::dom::object& root, TokenIds* ids,
                             Vocabulary* vocabulary) {
  if (!Member(root, "added_tokens")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const simdjson::dom::array list, ArrayMember(root, "added_tokens"));
  for (const element& value : list) {
    const std::string where = absl::StrCat("added token number ", vocabulary->added_tokens.size());
    ASSIGN_OR_RETURN(const AddedEntry entry, ReadAddedEntry(value, where));
    const auto [known, inserted] = ids->try_emplace(entry.text, entry.token.id);
    if (!inserted && known->second != entry.token.id) {
      return Malformed(absl::StrCat(where, " ", QuoteForMessage(entry.text), " has the id ",
                                    entry.token.id, " here and ", known->second, " elsewhere"));
    }
    vocabulary->added_tokens.push_back(entry.token);
  }
  return absl::OkStatus();
}

// Turns text → id into tokens by id. Ids must be 0 to N-1: with as many ids as tokens, a hole means
// one that is too large.
absl::Status PlaceTokens(const TokenIds& ids, Vocabulary* vocabulary) {
  std::vector<const std::string*> texts(ids.size());
  for (const auto& [text, id] : ids) {
    if (static_cast<size_t>(id) >= texts.size()) {
      return Malformed(absl::StrCat("token ", QuoteForMessage(text), " has the id ", id,
                                    ", but there are only ", texts.size(), " tokens"));
    }
    if (texts[id] != nullptr) {
      const auto [first, second] = std::minmax(*texts[id], text);
      return Malformed(absl::StrCat("tokens ", QuoteForMessage(first), " and ",
                                    QuoteForMessage(second), " both have the id ", id));
    }
    texts[id] = &text;
  }
  for (const std::string* text : texts) {
    vocabulary->tokens.push_back(*text);
    vocabulary->types.push_back(ByteOfSpelling(*text) ? TokenType::kByte : TokenType::kNormal);
  }
  for (const AddedToken& added : vocabulary->added_tokens) {
    vocabulary->types[added.id] = added.special ? TokenType::kControl : TokenType::kUserDefined;
  }
  return absl::OkStatus();
}

// "left right", or ["left", "right"].
absl::StatusOr<std::pair<std::string, std::string>> MergeTexts(const element& value,
                                                               absl::string_view where) {
  std::string_view line;
  if (value.get(line) == simdjson::SUCCESS) {
    const size_t space = line.find(' ');
    if (space != std::string_view::npos && line.find(' ', space + 1) == std::string_view::npos) {
      return std::pair(std::string(line.substr(0, space)), std::string(line.substr(space + 1)));
    }
    return Malformed(absl::StrCat(where, " is ", QuoteForMessage(Text(line)),
                                  "; two tokens with one space between them are expected"));
  }
  simdjson::dom::array pair;
  std::string_view left, right;
  if (value.get(pair) == simdjson::SUCCESS && pair.size() == 2 &&
      pair.at(0).get(left) == simdjson::SUCCESS && pair.at(1).get(right) == simdjson::SUCCESS) {
    return std::pair(std::string(left), std::string(right));
  }
  return Malformed(absl::StrCat(where, " is not a pair of tokens"));
}

// The id of a token that another part of the file names.
absl::StatusOr<int32_t> NamedToken(const TokenIds& ids, absl::string_view where,
                                   const std::string& text) {
  const auto found = ids.find(text);
  if (found != ids.end()) return found->second;
  return Malformed(
      absl::StrCat(where, " names ", QuoteForMessage(text), ", which the vocabulary lacks"));
}

absl::Status ReadMerges(const simdjson::dom::object& model, const TokenIds& ids,
                        Vocabulary* vocabulary) {
  ASSIGN_OR_RETURN(const simdjson::dom::array list, ArrayMember(model, "merges"));
  for (const element& value : list) {
    const std::string where = absl::StrCat("merge ", vocabulary->merges.size());
    ASSIGN_OR_RETURN(const auto texts, MergeTexts(value, where));
    Merge merge;
    ASSIGN_OR_RETURN(merge.left, NamedToken(ids, where, texts.first));
    ASSIGN_OR_RETURN(merge.right, NamedToken(ids, where, texts.second));
    ASSIGN_OR_RETURN(merge.merged, NamedToken(ids, where, texts.first + texts.second));
    vocabulary->merges.push_back(merge);
  }
  return absl::OkStatus();
}

absl::Status ReadUnknown(const simdjson::dom::object& model, const TokenIds& ids,
                         Vocabulary* vocabulary) {
  ASSIGN_OR_RETURN(vocabulary->fuse_unknown, BoolMember(model, "fuse_unk", false));
  ASSIGN_OR_RETURN(vocabulary->byte_fallback, BoolMember(model, "byte_fallback", false));
  ASSIGN_OR_RETURN(const absl::string_view text, StringMember(model, "unk_token"));
  if (text.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(vocabulary->unk_id, NamedToken(ids, "model.unk_token", std::string(text)));
  return absl::OkStatus();
}

std::optional<int32_t> Find(const TokenIds& ids, const std::string& text) {
  const auto found = ids.find(text);
  return found == ids.end() ? std::nullopt : std::optional<int32_t>(found->second);
}

absl::StatusOr<Vocabulary> ReadRoot(const simdjson::dom::object& root) {
  RETURN_IF_ERROR(CheckKeysDiffer(root, "the file"));
  ASSIGN_OR_RETURN(const simdjson::dom::object model, ObjectMember(root, "model"));
  RETURN_IF_ERROR(CheckKeysDiffer(model, "model"));
  RETURN_IF_ERROR(CheckGemmaForm(root));
  Vocabulary vocabulary;
  ASSIGN_OR_RETURN(TokenIds ids, ReadVocab(model));
  RETURN_IF_ERROR(ReadAddedTokens(root, &ids, &vocabulary));
  RETURN_IF_ERROR(PlaceTokens(ids, &vocabulary));
  RETURN_IF_ERROR(ReadMerges(model, ids, &vocabulary));
  RETURN_IF_ERROR(ReadUnknown(model, ids, &vocabulary));
  vocabulary.bos_id = Find(ids, "<bos>");
  vocabulary.eos_id = Find(ids, "<eos>");
  vocabulary.pad_id = Find(ids, "<pad>");
  if (const absl::Status status = vocabulary.Validate(); !status.ok())
    return Malformed(status.message());
  return vocabulary;
}

}  // namespace

absl::StatusOr<Vocabulary> VocabularyFromTokenizerJson(absl::string_view json) {
  simdjson::dom::parser parser;
  element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document);
      error != simdjson::SUCCESS) {
    return Malformed(absl::StrCat("not readable as JSON: ", simdjson::error_message(error)));
  }
  simdjson::dom::object root;
  if (document.get(root) != simdjson::SUCCESS) return WrongType("the file", "an object", document);
  return ReadRoot(root);
}

}  // namespace coterie

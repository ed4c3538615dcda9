// A tokenizer.json and a text, both a stranger's. The input is the file, a zero byte, and the text;
// without a zero byte the file's own bytes are the text.
//
// Beside not crashing: what is encoded as plain text holds no control token, and decoding gives the
// text back.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "model/detokenizer.h"
#include "model/tokenizer.h"
#include "model/vocabulary.h"

namespace coterie {
namespace {

// Every character has its own tokens, so that none becomes the unknown token. Added tokens may take
// white space along.
bool IsLossless(const Vocabulary& vocabulary) {
  if (!vocabulary.byte_fallback) return false;
  std::vector<bool> has_byte(256);
  for (int32_t id = 0; id < vocabulary.num_tokens(); ++id) {
    const auto byte = ByteOfSpelling(vocabulary.tokens[id]);
    // Only the upper-case spelling encodes.
    if (byte && vocabulary.tokens[id] == absl::StrFormat("<0x%02X>", *byte)) has_byte[*byte] = true;
    // A byte token that merging can reach, or that is cut out whole, decodes to its byte and not to
    // its spelling.
    if (byte && vocabulary.types[id] != TokenType::kByte) return false;
  }
  for (const Merge& merge : vocabulary.merges) {
    if (ByteOfSpelling(vocabulary.tokens[merge.merged])) return false;
  }
  for (const AddedToken& added : vocabulary.added_tokens) {
    if (added.lstrip || added.rstrip) return false;
  }
  for (bool present : has_byte) {
    if (!present) return false;
  }
  return true;
}

std::string WithSpaces(absl::string_view text) { return absl::StrReplaceAll(text, {{"▁", " "}}); }

void CheckEncoding(const Tokenizer& tokenizer, absl::string_view text, ControlTokens control) {
  const absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, control);
  if (!ids.ok()) return;
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  for (int32_t id : *ids) {
    CHECK(id >= 0 && id < vocabulary.num_tokens()) << id;
    CHECK(control == ControlTokens::kParse || !tokenizer.IsControl(id) || id == vocabulary.unk_id)
        << "plain text became the control token " << id;
  }
  const absl::StatusOr<std::string> decoded = Decode(vocabulary, *ids, ControlText::kShow);
  CHECK(decoded.ok()) << decoded.status().ToString();
  if (!IsLossless(vocabulary)) return;
  // A ▁ may come back as a space, and, without a token for ▁, a space as a ▁.
  CHECK(WithSpaces(*decoded) == WithSpaces(text)) << *decoded;
}

void Run(absl::string_view input) {
  const size_t end = input.find('\0');
  const absl::string_view json = input.substr(0, end);
  const absl::string_view text = end == absl::string_view::npos ? input : input.substr(end + 1);
  absl::StatusOr<Vocabulary> vocabulary = VocabularyFromTokenizerJson(json);
  if (!vocabulary.ok()) return;
  const auto tokenizer = Tokenizer::Create(*std::move(vocabulary));
  if (!tokenizer.ok()) return;
  CheckEncoding(**tokenizer, text, ControlTokens::kParse);
  CheckEncoding(**tokenizer, text, ControlTokens::kPlainText);
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

#include "tests/model/tokenizer/small_vocabulary.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_format.h"
#include "kernels/check.h"

namespace coterie {

int32_t VocabularyBuilder::Add(const std::string& text, TokenType type) {
  vocabulary_.tokens.push_back(text);
  vocabulary_.types.push_back(type);
  return vocabulary_.num_tokens() - 1;
}

int32_t VocabularyBuilder::AddCutOut(const std::string& text, AddedToken flags) {
  flags.id = Add(text, flags.special ? TokenType::kControl : TokenType::kUserDefined);
  vocabulary_.added_tokens.push_back(flags);
  return flags.id;
}

void VocabularyBuilder::AddMerge(const std::string& left, const std::string& right) {
  vocabulary_.merges.push_back({Id(left), Id(right), Id(left + right)});
}

int32_t VocabularyBuilder::Id(const std::string& text) const {
  const auto found = std::find(vocabulary_.tokens.begin(), vocabulary_.tokens.end(), text);
  CHECK(found != vocabulary_.tokens.end()) << "no token " << text;
  return static_cast<int32_t>(found - vocabulary_.tokens.begin());
}

VocabularyBuilder SmallVocabulary() {
  VocabularyBuilder builder;
  Vocabulary& vocabulary = builder.vocabulary();
  vocabulary.pad_id = builder.AddCutOut("<pad>", {.special = true});
  vocabulary.eos_id = builder.AddCutOut("<eos>", {.special = true});
  vocabulary.bos_id = builder.AddCutOut("<bos>", {.special = true});
  vocabulary.unk_id = builder.AddCutOut("<unk>", {.special = true});
  builder.AddCutOut("<mask>", {.special = true});
  for (int byte = 0; byte < 256; ++byte)
    builder.Add(absl::StrFormat("<0x%02X>", byte), TokenType::kByte);
  for (const char* text : {"\n", "▁"}) builder.Add(text);
  for (char c = 'a'; c <= 'z'; ++c) builder.Add(std::string(1, c));
  for (const char* text :
       {"he", "ll", "lo", "hell", "hello", "▁w", "or", "ld", "▁wor", "▁world", "▁▁", "▁▁▁"}) {
    builder.Add(text);
  }
  using Pair = std::pair<const char*, const char*>;
  for (const auto& [left, right] :
       {Pair("▁", "▁"), Pair("▁▁", "▁"), Pair("h", "e"), Pair("l", "l"), Pair("l", "o"),
        Pair("he", "ll"), Pair("hell", "o"), Pair("▁", "w"), Pair("o", "r"), Pair("l", "d"),
        Pair("▁w", "or"), Pair("▁wor", "ld")}) {
    builder.AddMerge(left, right);
  }
  builder.AddCutOut("<|turn>", {.special = true});
  builder.AddCutOut("<turn|>", {.special = true});
  builder.AddCutOut("\n\n", {});
  builder.AddCutOut("<table>", {});
  return builder;
}

std::unique_ptr<const Tokenizer> SmallTokenizer() {
  auto tokenizer = Tokenizer::Create(SmallVocabulary().vocabulary());
  CHECK(tokenizer.ok()) << tokenizer.status().ToString();
  return *std::move(tokenizer);
}

std::string Utf8(uint32_t point) {
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  const auto tail = [point](int shift) {
    return static_cast<char>(0x80 | (point >> shift & 0x3F));
  };
  if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

std::string RandomText(int num_characters, std::mt19937_64* random) {
  static constexpr std::array kKnown = {"hello",   " world", "\n\n", "  ",  "<|turn>",
                                        "<table>", "<0x41>", "é",    "\r\n"};
  std::string text;
  for (int i = 0; i < num_characters; ++i) {
    const uint64_t kind = (*random)() % 4;
    uint32_t point = (*random)() % 0x110000;
    if (kind == 0) point = (*random)() % 0x80;
    if (kind == 1) point = static_cast<unsigned char>("helowrd "[(*random)() % 8]);
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    text += kind == 2 || surrogate || point == 0x2581 ? kKnown[(*random)() % kKnown.size()]
                                                      : Utf8(point);
  }
  return text;
}

}  // namespace coterie

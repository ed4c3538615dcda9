#include "tests/router/grammar/grammar_models.h"

#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "kernels/check.h"

namespace coterie {
namespace {

constexpr absl::string_view kControls[] = {"<pad>",
                                           "<eos>",
                                           "<bos>",
                                           "<unk>",
                                           "<|turn>",
                                           "<turn|>",
                                           "<|think|>",
                                           "<|channel>",
                                           "<channel|>",
                                           "<|tool>",
                                           "<tool|>",
                                           "<|tool_call>",
                                           "<tool_call|>",
                                           "<|tool_response>",
                                           "<tool_response|>",
                                           "<|\"|>"};

class Builder {
 public:
  void Add(const std::string& text, TokenType type) {
    if (text.empty() || !seen_.insert(text).second) return;
    vocabulary_.tokens.push_back(text);
    vocabulary_.types.push_back(type);
    if (type != TokenType::kControl) return;
    vocabulary_.added_tokens.push_back({.id = num_tokens() - 1, .special = true});
  }
  void AddText(const std::string& text) {
    Add(absl::StrReplaceAll(text, {{" ", "▁"}}), TokenType::kNormal);
  }
  int32_t num_tokens() const { return vocabulary_.num_tokens(); }
  Vocabulary Take() {
    vocabulary_.eos_id = 1;
    vocabulary_.bos_id = 2;
    vocabulary_.unk_id = 3;
    return std::move(vocabulary_);
  }

 private:
  Vocabulary vocabulary_;
  std::set<std::string> seen_;
};

Builder WithBytes() {
  Builder builder;
  for (absl::string_view control : kControls)
    builder.Add(std::string(control), TokenType::kControl);
  for (int byte = 0; byte < 256; ++byte)
    builder.Add(absl::StrFormat("<0x%02X>", byte), TokenType::kByte);
  for (char c = ' '; c < 0x7F; ++c) builder.AddText(std::string(1, c));
  builder.AddText("\n");
  builder.AddText("\t");
  return builder;
}

Vocabulary SmallVocabularyOfPieces() {
  Builder builder = WithBytes();
  const std::vector<std::string> pieces = {
      "{\"",   "\":",          "\": ",  "\",\"", "\", \"", "\"}",    "]}",    "},",    "[{",
      "[]",    "{}",           "\":\"", "\"a",   "a\"",    "ab",     "abc",   "b\"",   "true",
      "tr",    "ue",           "false", "null",  "nu",     "ll",     "12",    "123",   "0.",
      ".5",    "-1",           "e1",    "1,",    "2]",     "3}",     "  ",    "    ",  "\n\n",
      "\n  ",  " a",           "ä",     "äö",    "é\"",    "中",     "中文",  "😀",     "\\n",
      "\\\"",  "\\u",          "\\u00", "\\\\",  "d8",     "call",   "call:", "{a",    ":{",
      ",b",    "b:",           ":[",    "]]",    "}}",     "\"]",    "name",  "date",  "2024",
      "-0",    "x y",          "the",   " the",  "a:1,",   "::",     "\"\"",  "\"\":", "ing",
      "tion",  "\xED\x9F\xBF", "true}", ",\n",   "\"b\":", "\"a\":", "\"c\"", "\x7F",  "kind",
      "value", "\"kind",       "next",  "items", "red",    "green"};
  for (const std::string& piece : pieces) builder.AddText(piece);
  return builder.Take();
}

Vocabulary DemoVocabulary() {
  std::ifstream file("tools/demo_model/checkpoint/tokenizer.json");
  CHECK(file.good());
  const std::string json{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto vocabulary = VocabularyFromTokenizerJson(json);
  CHECK(vocabulary.ok()) << vocabulary.status().ToString();
  return *std::move(vocabulary);
}

std::string RandomWord(std::mt19937_64* random) {
  constexpr absl::string_view kSyllables[] = {"ab", "re",   "con", "ti", "on", "er",  "in", "pro",
                                              "st", "ment", "al",  "ur", "ex", "ist", "o",  "un"};
  std::string word;
  for (uint64_t n = 1 + (*random)() % 5; n > 0; --n)
    absl::StrAppend(&word, kSyllables[(*random)() % 16]);
  return word;
}

// As real vocabularies have them: mostly words, some code, other scripts, runs.
std::string RandomPiece(std::mt19937_64* random) {
  const uint64_t kind = (*random)() % 100;
  std::string word = RandomWord(random);
  if (kind < 40) return " " + word;
  if (kind < 55) return word;
  if (kind < 62) {
    word[0] = static_cast<char>(word[0] - 'a' + 'A');
    return (kind % 2 == 0 ? " " : "") + word;
  }
  if (kind < 92) {
    std::string text;
    const uint32_t base = (*random)() % 2 == 0 ? 0x4E00 : 0x400 + 0x80 * ((*random)() % 12);
    for (uint64_t n = 1 + (*random)() % 4; n > 0; --n) {
      const uint32_t c = base + (*random)() % (base == 0x4E00 ? 8000 : 100);
      if (c >= 0x800) text.push_back(static_cast<char>(0xE0 | (c >> 12)));
      text.push_back(static_cast<char>(c >= 0x800 ? 0x80 | ((c >> 6) & 0x3F) : 0xC0 | (c >> 6)));
      text.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
    return text;
  }
  constexpr absl::string_view kCode[] = {"\"", "\":", "(", ")", "{", "}", "['", "']", "\\",
                                         "/",  "<",   ">", "=", ";", ".", "_",  "\n", "\t"};
  if (kind < 96) return absl::StrCat(kCode[(*random)() % 18], word);
  if (kind < 99) return absl::StrCat(word, kCode[(*random)() % 18]);
  return std::string(2 + (*random)() % 30, (*random)() % 2 == 0 ? ' ' : '\n');
}

}  // namespace

std::vector<int32_t> GrammarModel::Spell(absl::string_view text, uint64_t seed) const {
  std::mt19937_64 random(seed);
  std::vector<int32_t> spelled;
  while (!text.empty()) {
    std::vector<int32_t> fits;
    for (int32_t token = 0; token < vocabulary->num_tokens(); ++token) {
      const absl::string_view bytes = vocabulary->Bytes(token);
      if (!bytes.empty() && text.substr(0, bytes.size()) == bytes) fits.push_back(token);
    }
    CHECK(!fits.empty());
    spelled.push_back(fits[random() % fits.size()]);
    text.remove_prefix(vocabulary->Bytes(spelled.back()).size());
  }
  return spelled;
}

Vocabulary LargeVocabulary(int32_t num_tokens) {
  Builder builder = WithBytes();
  for (const std::string& text : DemoVocabulary().tokens) {
    if (!IsControlSpelling(text)) builder.Add(text, TokenType::kNormal);
  }
  std::mt19937_64 random(7);
  while (builder.num_tokens() < num_tokens) builder.AddText(RandomPiece(&random));
  return builder.Take();
}

std::unique_ptr<GrammarModel> MakeModel(Vocabulary vocabulary) {
  CHECK(vocabulary.Validate().ok()) << vocabulary.Validate().ToString();
  auto model = std::make_unique<GrammarModel>();
  model->vocabulary = std::make_unique<const GrammarVocabulary>(vocabulary);
  auto tokenizer = Tokenizer::Create(std::move(vocabulary));
  CHECK(tokenizer.ok()) << tokenizer.status().ToString();
  model->tokenizer = *std::move(tokenizer);
  auto tokens = ChatTokens::Create(*model->tokenizer);
  CHECK(tokens.ok()) << tokens.status().ToString();
  model->tokens = *tokens;
  model->stop_tokens = {*model->tokenizer->vocabulary().eos_id, tokens->turn_end,
                        tokens->response_begin};
  return model;
}

const GrammarModel& SmallModel() {
  static const GrammarModel* const model = MakeModel(SmallVocabularyOfPieces()).release();
  return *model;
}

const GrammarModel& DemoModel() {
  static const GrammarModel* const model = MakeModel(DemoVocabulary()).release();
  return *model;
}

}  // namespace coterie

// Goal: the ids of Hugging Face `tokenizers`, and its text back. Method: the goldens of
// tests/golden/tokenizer: over 10,000 strings from all planes, with code, runs, control tokens and
// what falls back to bytes, in both modes; and the same strings through the vocabulary of a GGUF
// file, which must be that of the JSON beside it.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/checkpoint.h"
#include "model/detokenizer.h"
#include "model/tokenizer.h"

namespace coterie {
namespace {

constexpr char kGoldens[] = "tests/golden/tokenizer/";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Golden {
  ControlTokens control;
  std::string text;
  std::vector<int32_t> ids;
  std::string decoded;
};

// Takes values from the front of a golden file; a file that is too short is a failed test.
class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
  bool done() const { return place_ >= bytes_.size(); }

  Golden Next() {
    Golden golden;
    golden.control = Number() == 0 ? ControlTokens::kParse : ControlTokens::kPlainText;
    golden.text = Bytes(Number());
    const std::string ids = Bytes(size_t{Number()} * sizeof(int32_t));
    golden.ids.resize(ids.size() / sizeof(int32_t));
    if (!ids.empty()) std::memcpy(golden.ids.data(), ids.data(), ids.size());
    golden.decoded = Bytes(Number());
    return golden;
  }

 private:
  uint32_t Number() {
    uint32_t number = 0;
    const std::string bytes = Bytes(sizeof(number));
    if (bytes.size() == sizeof(number)) std::memcpy(&number, bytes.data(), sizeof(number));
    return number;
  }

  std::string Bytes(size_t count) {
    EXPECT_LE(place_ + count, bytes_.size()) << "the golden file ends early";
    std::string bytes = bytes_.substr(std::min(place_, bytes_.size()), count);
    place_ += count;
    return bytes;
  }

  const std::string bytes_;
  size_t place_ = 0;
};

std::vector<Golden> ReadGoldens(const std::string& name) {
  Reader reader(ReadFile(kGoldens + name + ".bin"));
  std::vector<Golden> goldens;
  while (!reader.done()) goldens.push_back(reader.Next());
  return goldens;
}

std::unique_ptr<const Tokenizer> FromJson(const std::string& path) {
  auto vocabulary = VocabularyFromTokenizerJson(ReadFile(path));
  EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
  auto tokenizer = Tokenizer::Create(*std::move(vocabulary));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

std::unique_ptr<const Tokenizer> FromCheckpoint(const std::string& path) {
  const auto checkpoint = Checkpoint::Open(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  auto vocabulary = (*checkpoint)->ReadVocabulary();
  EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
  auto tokenizer = Tokenizer::Create(*std::move(vocabulary));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

// Every string in both directions. A ▁ of the text comes back as a space: so it is with Hugging
// Face.
void ExpectGoldens(const Tokenizer& tokenizer, const std::vector<Golden>& goldens) {
  int num_different = 0;
  for (const Golden& golden : goldens) {
    const auto ids = tokenizer.Encode(golden.text, golden.control);
    ASSERT_TRUE(ids.ok()) << ids.status() << " for " << golden.text;
    const auto decoded = Decode(tokenizer.vocabulary(), golden.ids, ControlText::kShow);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    if (*ids == golden.ids && *decoded == golden.decoded) continue;
    if (++num_different > 5) continue;  // the first few tell enough
    EXPECT_EQ(*ids, golden.ids) << "text: " << golden.text;
    EXPECT_EQ(*decoded, golden.decoded) << "text: " << golden.text;
  }
  EXPECT_EQ(num_different, 0) << "of " << goldens.size();
}

size_t NumWithoutSpaceMarks(const std::vector<Golden>& goldens) {
  size_t count = 0;
  for (const Golden& golden : goldens) count += golden.text.find("▁") == std::string::npos;
  return count;
}

TEST(TokenizerGoldenTest, TrainedVocabularyGivesHuggingFacesIds) {
  const auto goldens = ReadGoldens("trained");
  EXPECT_GE(goldens.size(), 10000u);
  ExpectGoldens(*FromJson(std::string(kGoldens) + "trained.json"), goldens);
}

TEST(TokenizerGoldenTest, TinyVocabularyGivesHuggingFacesIds) {
  const auto goldens = ReadGoldens("tiny");
  EXPECT_GE(goldens.size(), 3000u);
  ExpectGoldens(*FromJson(std::string(kGoldens) + "tiny.json"), goldens);
}

TEST(TokenizerGoldenTest, GgufAndJsonOfTheSameModelAgree) {
  const auto from_json = FromCheckpoint("tests/golden/checkpoints/tiny_f32");
  const auto from_gguf = FromCheckpoint("tests/golden/checkpoints/tiny_bf16.gguf");
  EXPECT_EQ(from_json->vocabulary().tokens, from_gguf->vocabulary().tokens);
  ExpectGoldens(*from_gguf, ReadGoldens("tiny"));
}

TEST(TokenizerGoldenTest, TheTextsComeBackExactly) {
  const auto tokenizer = FromJson(std::string(kGoldens) + "trained.json");
  const auto goldens = ReadGoldens("trained");
  EXPECT_GE(NumWithoutSpaceMarks(goldens), 10000u);
  for (const Golden& golden : goldens) {
    if (golden.text.find("▁") != std::string::npos) continue;
    const auto ids = tokenizer->Encode(golden.text, golden.control);
    ASSERT_TRUE(ids.ok()) << ids.status();
    ASSERT_EQ(*Decode(tokenizer->vocabulary(), *ids, ControlText::kShow), golden.text);
  }
}

}  // namespace
}  // namespace coterie

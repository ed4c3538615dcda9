// Reading tokenizer.json: one good file, and the same file spoilt in one place at a time.
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "model/vocabulary.h"
#include "tests/model/tokenizer/vocabulary/tokenizer_json_builder.h"

namespace coterie {
namespace {

Vocabulary Read(const TokenizerJson& json) {
  const absl::StatusOr<Vocabulary> vocabulary = VocabularyFromTokenizerJson(json.Text());
  EXPECT_TRUE(vocabulary.ok()) << vocabulary.status();
  return vocabulary.ok() ? *vocabulary : Vocabulary();
}

absl::Status StatusOf(const std::string& text) {
  return VocabularyFromTokenizerJson(text).status();
}

TEST(VocabularyJsonTest, ReadsTokensTypesMergesAndIds) {
  const Vocabulary vocabulary = Read(TokenizerJson());
  ASSERT_EQ(vocabulary.num_tokens(), 266);
  EXPECT_EQ(vocabulary.tokens[264], "ab");
  EXPECT_EQ(vocabulary.tokens[263], "▁");
  EXPECT_EQ(vocabulary.types[264], TokenType::kNormal);
  EXPECT_EQ(vocabulary.types[5], TokenType::kByte);
  EXPECT_EQ(vocabulary.types[4], TokenType::kControl);
  EXPECT_EQ(vocabulary.types[265], TokenType::kUserDefined);
  ASSERT_EQ(vocabulary.merges.size(), 1u);
  EXPECT_EQ(vocabulary.merges[0].left, 261);
  EXPECT_EQ(vocabulary.merges[0].right, 262);
  EXPECT_EQ(vocabulary.merges[0].merged, 264);
  EXPECT_EQ(vocabulary.pad_id, 0);
  EXPECT_EQ(vocabulary.eos_id, 1);
  EXPECT_EQ(vocabulary.bos_id, 2);
  EXPECT_EQ(vocabulary.unk_id, 3);
  EXPECT_TRUE(vocabulary.byte_fallback);
  EXPECT_TRUE(vocabulary.fuse_unknown);
}

TEST(VocabularyJsonTest, MergesMayBeStringsOrPairs) {
  TokenizerJson json;
  json.merges = R"(["a b"])";
  const Vocabulary vocabulary = Read(json);
  ASSERT_EQ(vocabulary.merges.size(), 1u);
  EXPECT_EQ(vocabulary.merges[0].merged, 264);
}

TEST(VocabularyJsonTest, FlagsOfAddedTokensAreKept) {
  TokenizerJson json;
  json.added_tokens =
      R"([{"id": 266, "content": "x y", "special": false, "normalized": true, "lstrip": true, "rstrip": true},
          {"id": 267, "content": "<|\"|>", "special": false, "normalized": false}])";
  const Vocabulary vocabulary = Read(json);
  ASSERT_EQ(vocabulary.added_tokens.size(), 2u);
  const AddedToken& first = vocabulary.added_tokens[0];
  EXPECT_TRUE(first.normalized && first.lstrip && first.rstrip && !first.special);
  EXPECT_EQ(vocabulary.tokens[266], "x y") << "an added token that the model lacks";
  EXPECT_EQ(vocabulary.types[266], TokenType::kUserDefined);
  // Gemma's structure is control whatever the file's flag says.
  EXPECT_EQ(vocabulary.types[267], TokenType::kControl);
  EXPECT_TRUE(vocabulary.added_tokens[1].special);
}

TEST(VocabularyJsonTest, OptionalPartsMayBeMissing) {
  TokenizerJson json;
  json.pre_tokenizer = "null";
  json.unk_token = "null";
  const Vocabulary vocabulary = Read(json);
  EXPECT_FALSE(vocabulary.unk_id.has_value());
}

struct Spoilt {
  const char* name;
  std::function<void(TokenizerJson*)> spoil;
  absl::StatusCode code;
  const char* message;
};

constexpr absl::StatusCode kMalformed = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kOther = absl::StatusCode::kUnimplemented;

const Spoilt kSpoilt[] = {
    // Another form of tokenizer.
    {"model type", [](auto* j) { j->model_type = R"("Unigram")"; }, kOther,
     "model.type is \"Unigram\"; only Gemma's form"},
    {"no model type", [](auto* j) { j->model_type = "null"; }, kOther, "model.type is \"\""},
    {"dropout", [](auto* j) { j->model_extra = R"(, "dropout": 0.1)"; }, kMalformed,
     "model has \"dropout\" twice"},
    {"prefix", [](auto* j) { j->model_extra = R"(, "continuing_subword_prefix": "##")"; }, kOther,
     "model.continuing_subword_prefix is \"##\""},
    {"suffix", [](auto* j) { j->model_extra = R"(, "end_of_word_suffix": "</w>")"; }, kOther,
     "model.end_of_word_suffix is \"</w>\""},
    {"ignore_merges", [](auto* j) { j->model_extra = R"(, "ignore_merges": true)"; }, kOther,
     "ignore_merges"},
    {"no normalizer", [](auto* j) { j->normalizer = "null"; }, kOther, "normalizer has 0 steps"},
    {"NFC", [](auto* j) { j->normalizer = R"({"type": "NFC"})"; }, kOther,
     "normalizer has \"NFC\""},
    {"two normalizers",
     [](auto* j) {
       j->normalizer =
           R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKC"}]})";
     },
     kOther, "normalizer has 2 steps"},
    {"other replacement",
     [](auto* j) {
       j->normalizer = R"({"type": "Replace", "pattern": {"String": " "}, "content": "_"})";
     },
     kOther, "normalizer has \"Replace\""},
    {"regex normalizer",
     [](auto* j) {
       j->normalizer = R"({"type": "Replace", "pattern": {"Regex": " "}, "content": "▁"})";
     },
     kOther, "normalizer has \"Replace\""},
    {"ByteLevel", [](auto* j) { j->pre_tokenizer = R"({"type": "ByteLevel"})"; }, kOther,
     "pre_tokenizer has \"ByteLevel\""},
    {"inverted split",
     [](auto* j) {
       j->pre_tokenizer = R"({"type": "Split", "pattern": {"String": " "}, "invert": true})";
     },
     kOther, "pre_tokenizer has \"Split\""},
    {"no decoder", [](auto* j) { j->decoder = "null"; }, kOther, "decoder has 0 steps"},
    {"Metaspace decoder", [](auto* j) { j->decoder = R"({"type": "Metaspace"})"; }, kOther,
     "decoder has \"Metaspace\""},
    {"decoder order",
     [](auto* j) {
       j->decoder = R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace"}]})";
     },
     kOther, "decoder has \"Fuse\""},
    {"single_word",
     [](auto* j) { j->added_tokens = R"([{"id": 4, "content": "<|turn>", "single_word": true}])"; },
     kOther, "added token number 0 has single_word"},
    // Wrong types.
    {"normalizer number", [](auto* j) { j->normalizer = "3"; }, kMalformed,
     "normalizer is a number; an object is expected"},
    {"normalizers object",
     [](auto* j) { j->normalizer = R"({"type": "Sequence", "normalizers": {}})"; }, kMalformed,
     "normalizers is an object; an array is expected"},
    {"type number", [](auto* j) { j->decoder = R"({"type": 1})"; }, kMalformed,
     "type is a number; a string is expected"},
    {"added tokens object", [](auto* j) { j->added_tokens = "{}"; }, kMalformed,
     "added_tokens is an object; an array is expected"},
    {"added token string", [](auto* j) { j->added_tokens = R"(["<bos>"])"; }, kMalformed,
     "added token number 0 is a string; an object is expected"},
    {"special string",
     [](auto* j) { j->added_tokens = R"([{"id": 4, "content": "<|turn>", "special": "yes"}])"; },
     kMalformed, "special is a string; true or false is expected"},
    {"byte_fallback number", [](auto* j) { j->byte_fallback = "1"; }, kMalformed,
     "byte_fallback is a number; true or false is expected"},
    {"merges object", [](auto* j) { j->merges = "{}"; }, kMalformed,
     "merges is an object; an array is expected"},
    {"merge number", [](auto* j) { j->merges = "[7]"; }, kMalformed,
     "merge 0 is not a pair of tokens"},
    {"merge of three", [](auto* j) { j->merges = R"([["a", "b"], ["a", "b", "a"]])"; }, kMalformed,
     "merge 1 is not a pair of tokens"},
    {"id string", [](auto* j) { j->vocab += R"(, "x": "266")"; }, kMalformed,
     "token \"x\" has a string; a token id from 0 up is expected"},
    {"id fraction", [](auto* j) { j->vocab += R"(, "x": 266.5)"; }, kMalformed,
     "token \"x\" has a number; a token id"},
    // Ids.
    {"negative id", [](auto* j) { j->vocab += R"(, "x": -1)"; }, kMalformed, "has the id -1"},
    {"huge id", [](auto* j) { j->vocab += R"(, "x": 2147483648)"; }, kMalformed,
     "has the id 2147483648"},
    {"id beyond 64 bits", [](auto* j) { j->vocab += R"(, "x": 99999999999999999999999)"; },
     kMalformed, "tokenizer.json"},
    {"hole", [](auto* j) { j->vocab += R"(, "x": 2000000000)"; }, kMalformed,
     "token \"x\" has the id 2000000000, but there are only 267 tokens"},
    {"id twice", [](auto* j) { j->vocab += R"(, "x": 264)"; }, kMalformed,
     "tokens \"ab\" and \"x\" both have the id 264"},
    {"token twice", [](auto* j) { j->vocab += R"(, "ab": 266)"; }, kMalformed,
     "token \"ab\" is listed twice"},
    {"added id differs",
     [](auto* j) { j->added_tokens = R"([{"id": 7, "content": "<|turn>", "special": true}])"; },
     kMalformed, "added token number 0 \"<|turn>\" has the id 7 here and 4 elsewhere"},
    {"added twice",
     [](auto* j) {
       j->added_tokens = R"([{"id": 4, "content": "<|turn>"}, {"id": 4, "content": "<|turn>"}])";
     },
     kMalformed, "token 4 is listed twice among the added tokens"},
    {"added without id", [](auto* j) { j->added_tokens = R"([{"content": "<|turn>"}])"; },
     kMalformed, "added token number 0 has no id"},
    {"added without content", [](auto* j) { j->added_tokens = R"([{"id": 4}])"; }, kMalformed,
     "added token number 0 has no content"},
    {"added too long",
     [](auto* j) {
       j->added_tokens =
           absl::StrCat(R"([{"id": 266, "content": ")", std::string(257, 'x'), R"("}])");
     },
     kMalformed, "added token 266 has 257 bytes; 1 to 256 are possible"},
    // Merges.
    {"merge of unknown left", [](auto* j) { j->merges = R"([["q", "b"]])"; }, kMalformed,
     "merge 0 names \"q\", which the vocabulary lacks"},
    {"merge of unknown right", [](auto* j) { j->merges = R"(["a q"])"; }, kMalformed,
     "merge 0 names \"q\""},
    {"merge to unknown", [](auto* j) { j->merges = R"([["a", "b"], ["b", "a"]])"; }, kMalformed,
     "merge 1 names \"ba\""},
    {"merge without space", [](auto* j) { j->merges = R"(["ab"])"; }, kMalformed,
     "merge 0 is \"ab\"; two tokens with one space between them are expected"},
    {"merge with two spaces", [](auto* j) { j->merges = R"(["a  b"])"; }, kMalformed,
     "merge 0 is \"a  b\""},
    {"unknown unk", [](auto* j) { j->unk_token = R"("<nope>")"; }, kMalformed,
     "model.unk_token names \"<nope>\""},
};

TEST(VocabularyJsonTest, EachSpoiltFileIsOneClearError) {
  for (const Spoilt& spoilt : kSpoilt) {
    TokenizerJson json;
    spoilt.spoil(&json);
    const absl::Status status = StatusOf(json.Text());
    EXPECT_EQ(status.code(), spoilt.code) << spoilt.name << ": " << status;
    EXPECT_TRUE(absl::StrContains(status.message(), spoilt.message))
        << spoilt.name << ": " << status;
    EXPECT_TRUE(absl::StartsWith(status.message(), "tokenizer.json: ")) << spoilt.name;
    EXPECT_LT(status.message().size(), 400u) << spoilt.name;
  }
}

TEST(VocabularyJsonTest, DropoutIsRefused) {
  std::string text = TokenizerJson().Text();
  const std::string none = R"("dropout": null)";
  text.replace(text.find(none), none.size(), R"("dropout": 0.1)");
  const absl::Status status = StatusOf(text);
  EXPECT_EQ(status.code(), kOther);
  EXPECT_TRUE(absl::StrContains(status.message(), "model.dropout is not 0")) << status;
}

TEST(VocabularyJsonTest, EveryTruncationIsRefused) {
  const std::string text = TokenizerJson().Text();
  for (size_t size = 0; size < text.size(); size += 1 + size / 40) {
    EXPECT_EQ(StatusOf(text.substr(0, size)).code(), kMalformed) << size;
  }
}

TEST(VocabularyJsonTest, NotAFileOfTheKind) {
  const std::string deep = std::string(100000, '[');
  const std::string not_utf8 = "{\"model\": \"\xFF\"}";
  for (const std::string& text :
       {std::string("[]"), std::string("3"), std::string("{}"), std::string(R"({"model": 1})"),
        std::string(R"({"model": {"type": "BPE"}})"), std::string("\0", 1), deep, not_utf8}) {
    const absl::Status status = StatusOf(text);
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(absl::StartsWith(status.message(), "tokenizer.json: ")) << status;
  }
}

TEST(VocabularyJsonTest, AKeyThatIsThereTwiceIsRefused) {
  std::string text = TokenizerJson().Text();
  text.insert(1, R"("normalizer": null, )");
  const absl::Status status = StatusOf(text);
  EXPECT_TRUE(absl::StrContains(status.message(), "the file has \"normalizer\" twice")) << status;
}

}  // namespace
}  // namespace coterie

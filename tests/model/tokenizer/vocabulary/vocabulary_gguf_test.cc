// Reading the tokenizer out of GGUF metadata, which says the same as tokenizer.json in other words.
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "model/vocabulary.h"
#include "tests/model/tokenizer/vocabulary/tokenizer_json_builder.h"

namespace coterie {
namespace {

// What TokenizerJson's file becomes in llama.cpp's converter.
GgufTokenizer SmallGguf() {
  GgufTokenizer gguf;
  gguf.model = "gemma4";
  gguf.tokens = {"<pad>", "<eos>", "<bos>", "<unk>", "<|turn>"};
  gguf.token_types = {3, 3, 3, 2, 3};
  for (int byte = 0; byte < 256; ++byte) {
    gguf.tokens.push_back(absl::StrFormat("<0x%02X>", byte));
    gguf.token_types.push_back(6);
  }
  for (const char* text : {"a", "b", "▁", "ab", "\n\n"}) {
    gguf.tokens.push_back(text);
    gguf.token_types.push_back(1);
  }
  gguf.token_types.back() = 4;
  gguf.merges = {"a b"};
  gguf.bos_id = 2;
  return gguf;
}

TEST(VocabularyGgufTest, IsTheSameAsFromTokenizerJson) {
  const auto from_gguf = VocabularyFromGguf(SmallGguf());
  const auto from_json = VocabularyFromTokenizerJson(TokenizerJson().Text());
  ASSERT_TRUE(from_gguf.ok()) << from_gguf.status();
  ASSERT_TRUE(from_json.ok()) << from_json.status();
  EXPECT_EQ(from_gguf->tokens, from_json->tokens);
  EXPECT_EQ(from_gguf->types, from_json->types);
  EXPECT_EQ(from_gguf->bos_id, from_json->bos_id);
  EXPECT_EQ(from_gguf->eos_id, from_json->eos_id);
  EXPECT_EQ(from_gguf->unk_id, from_json->unk_id);
  EXPECT_EQ(from_gguf->pad_id, from_json->pad_id);
  ASSERT_EQ(from_gguf->merges.size(), 1u);
  EXPECT_EQ(from_gguf->merges[0].merged, from_json->merges[0].merged);
  ASSERT_EQ(from_gguf->added_tokens.size(), from_json->added_tokens.size());
  for (size_t i = 0; i < from_gguf->added_tokens.size(); ++i) {
    EXPECT_EQ(from_gguf->added_tokens[i].id, from_json->added_tokens[i].id);
    EXPECT_EQ(from_gguf->added_tokens[i].special, from_json->added_tokens[i].special);
  }
}

TEST(VocabularyGgufTest, UserDefinedSpacesBecomeTheSpaceSignAgain) {
  GgufTokenizer gguf = SmallGguf();
  gguf.tokens.push_back("  ");
  gguf.token_types.push_back(4);
  const auto vocabulary = VocabularyFromGguf(gguf);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->tokens.back(), "▁▁");
}

TEST(VocabularyGgufTest, StructureMarkedAsUserDefinedIsControl) {
  GgufTokenizer gguf = SmallGguf();
  for (const char* text : {"<|tool_call>", "<tool_call|>", "<|\"|>", "<h1>"}) {
    gguf.tokens.push_back(text);
    gguf.token_types.push_back(4);
  }
  gguf.tokens.push_back("<||>");  // an operator that merging may find
  gguf.token_types.push_back(1);
  const auto vocabulary = VocabularyFromGguf(gguf);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->types[266], TokenType::kControl);
  EXPECT_EQ(vocabulary->types[267], TokenType::kControl);
  EXPECT_EQ(vocabulary->types[268], TokenType::kControl);
  EXPECT_EQ(vocabulary->types[269], TokenType::kUserDefined);
  EXPECT_EQ(vocabulary->types[270], TokenType::kNormal);
}

TEST(VocabularyGgufTest, MissingIdsAreFoundByTheirSpelling) {
  GgufTokenizer gguf = SmallGguf();
  gguf.bos_id.reset();
  const auto vocabulary = VocabularyFromGguf(gguf);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  EXPECT_EQ(vocabulary->bos_id, 2);
  EXPECT_EQ(vocabulary->unk_id, 3);
}

struct Spoilt {
  const char* name;
  std::function<void(GgufTokenizer*)> spoil;
  absl::StatusCode code;
  const char* message;
};

const Spoilt kSpoilt[] = {
    {"model", [](auto* g) { g->model = "llama"; }, absl::StatusCode::kUnimplemented,
     "tokenizer.ggml.model is \"llama\"; only \"gemma4\""},
    {"empty",
     [](auto* g) {
       g->tokens.clear();
       g->token_types.clear();
       g->merges.clear();
       g->bos_id.reset();
     },
     absl::StatusCode::kInvalidArgument, "the vocabulary is empty"},
    {"types", [](auto* g) { g->token_types.pop_back(); }, absl::StatusCode::kInvalidArgument,
     "tokenizer.ggml.token_type has 265 entries for 266 tokens"},
    {"type 0", [](auto* g) { g->token_types[7] = 0; }, absl::StatusCode::kInvalidArgument,
     "tokenizer.ggml.token_type of token 7 is 0; 1 to 6 are known"},
    {"type 7", [](auto* g) { g->token_types[7] = 7; }, absl::StatusCode::kInvalidArgument,
     "of token 7 is 7"},
    {"token twice", [](auto* g) { g->tokens[262] = "a"; }, absl::StatusCode::kInvalidArgument,
     "\"b\", which the vocabulary lacks"},
    {"token twice, no merges",
     [](auto* g) {
       g->merges.clear();
       g->tokens[262] = "a";
     },
     absl::StatusCode::kInvalidArgument, "tokens 261 and 262 are both spelled \"a\""},
    {"not UTF-8", [](auto* g) { g->tokens[263] = "\xFF"; }, absl::StatusCode::kInvalidArgument,
     "token 263 \"\\xff\" is not UTF-8"},
    {"merge", [](auto* g) { g->merges = {"a"}; }, absl::StatusCode::kInvalidArgument,
     "merge 0 is \"a\"; two tokens with one space between them are expected"},
    {"merge part", [](auto* g) { g->merges = {"a c"}; }, absl::StatusCode::kInvalidArgument,
     "merge 0 names \"c\", which the vocabulary lacks"},
    {"bos too large", [](auto* g) { g->bos_id = 266; }, absl::StatusCode::kInvalidArgument,
     "tokenizer.ggml.bos_token_id is 266, but the vocabulary has tokens 0 to 265"},
    {"eos negative", [](auto* g) { g->eos_id = -1; }, absl::StatusCode::kInvalidArgument,
     "tokenizer.ggml.eos_token_id is -1"},
    {"unk huge", [](auto* g) { g->unk_id = int64_t{1} << 40; }, absl::StatusCode::kInvalidArgument,
     "tokenizer.ggml.unknown_token_id is 1099511627776"},
    {"empty user-defined token", [](auto* g) { g->tokens.back().clear(); },
     absl::StatusCode::kInvalidArgument, "added token 265 has 0 bytes"},
};

TEST(VocabularyGgufTest, EachSpoiltVocabularyIsOneClearError) {
  for (const Spoilt& spoilt : kSpoilt) {
    GgufTokenizer gguf = SmallGguf();
    spoilt.spoil(&gguf);
    const absl::Status status = VocabularyFromGguf(gguf).status();
    EXPECT_EQ(status.code(), spoilt.code) << spoilt.name << ": " << status;
    EXPECT_TRUE(absl::StrContains(status.message(), spoilt.message))
        << spoilt.name << ": " << status;
  }
}

TEST(ByteOfSpellingTest, OnlyTwoHexDigitsInTheFullForm) {
  EXPECT_EQ(ByteOfSpelling("<0x00>"), 0);
  EXPECT_EQ(ByteOfSpelling("<0xE2>"), 0xE2);
  EXPECT_EQ(ByteOfSpelling("<0xff>"), 0xFF);
  for (const char* text :
       {"", "<0xE>", "<0xE2", "0xE2>", "<0xG1>", "<0x+1>", "<0x 1>", "<0X41>", "<0x411>"}) {
    EXPECT_FALSE(ByteOfSpelling(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace coterie

// Goal: text becomes the tokens one works out by hand, plain text never becomes a control token,
// and what cannot be encoded is refused with a reason.
#include "model/tokenizer.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/detokenizer.h"
#include "tests/model/tokenizer/small_vocabulary.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TokenizerTest : public ::testing::Test {
 protected:
  // The spellings of the tokens of `text`.
  std::vector<std::string> Spellings(const std::string& text,
                                     ControlTokens control = ControlTokens::kParse) {
    const auto ids = tokenizer_->Encode(text, control);
    EXPECT_TRUE(ids.ok()) << ids.status();
    std::vector<std::string> spellings;
    for (int32_t id : *ids) spellings.push_back(tokenizer_->vocabulary().tokens[id]);
    return spellings;
  }

  const std::unique_ptr<const Tokenizer> tokenizer_ = SmallTokenizer();
};

TEST_F(TokenizerTest, MergesByRank) {
  EXPECT_THAT(Spellings("hello world"), ElementsAre("hello", "▁world"));
  EXPECT_THAT(Spellings("hell"), ElementsAre("hell"));
  // "l l" comes before "l o".
  EXPECT_THAT(Spellings("llo"), ElementsAre("ll", "o"));
  EXPECT_THAT(Spellings("lo"), ElementsAre("lo"));
  EXPECT_THAT(Spellings(""), IsEmpty());
}

TEST_F(TokenizerTest, NoSpaceIsAddedAndNoneIsLost) {
  EXPECT_THAT(Spellings("world"), ElementsAre("w", "or", "ld"));
  EXPECT_THAT(Spellings("   hello "), ElementsAre("▁▁▁", "hello", "▁"));
  // The run of two takes the space that the word would have needed.
  EXPECT_THAT(Spellings("  world"), ElementsAre("▁▁", "w", "or", "ld"));
}

TEST_F(TokenizerTest, CharactersWithoutATokenBecomeBytes) {
  EXPECT_THAT(Spellings("é"), ElementsAre("<0xC3>", "<0xA9>"));
  EXPECT_THAT(Spellings("😁"), ElementsAre("<0xF0>", "<0x9F>", "<0x98>", "<0x81>"));
  EXPECT_THAT(Spellings(std::string(1, '\0')), ElementsAre("<0x00>"));
}

TEST_F(TokenizerTest, AByteTokensSpellingIsOrdinaryText) {
  EXPECT_THAT(Spellings("<0x41>"),
              ElementsAre("<0x3C>", "<0x30>", "x", "<0x34>", "<0x31>", "<0x3E>"));
}

TEST_F(TokenizerTest, AddedTokensAreCutOutBeforeMerging) {
  EXPECT_THAT(Spellings("<bos><|turn>hello<turn|>"),
              ElementsAre("<bos>", "<|turn>", "hello", "<turn|>"));
  EXPECT_THAT(Spellings("\n\n\n"), ElementsAre("\n\n", "\n"));
  EXPECT_THAT(Spellings("he<table>llo"), ElementsAre("he", "<table>", "ll", "o"));
}

TEST_F(TokenizerTest, PlainTextNeverBecomesAControlToken) {
  const auto spellings = Spellings("<bos><|turn>hello<table>", ControlTokens::kPlainText);
  EXPECT_EQ(spellings.back(), "<table>");
  std::mt19937_64 random(4);
  for (int i = 0; i < 300; ++i) {
    const std::string text = RandomText(30, &random) + "<bos><unk><|turn><turn|>";
    const auto ids = tokenizer_->Encode(text, ControlTokens::kPlainText);
    ASSERT_TRUE(ids.ok());
    for (int32_t id : *ids)
      EXPECT_FALSE(tokenizer_->IsControl(id)) << tokenizer_->vocabulary().tokens[id];
    EXPECT_EQ(*Decode(tokenizer_->vocabulary(), *ids, ControlText::kHide), text);
  }
}

TEST_F(TokenizerTest, EvenMergesCannotMakePlainTextAControlToken) {
  VocabularyBuilder builder = SmallVocabulary();
  builder.AddCutOut("ab", {.special = true});
  builder.AddCutOut("é", {.special = true});
  builder.AddMerge("a", "b");
  const auto tokenizer = Tokenizer::Create(builder.vocabulary());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("ab", ControlTokens::kParse), ElementsAre(builder.Id("ab")));
  EXPECT_THAT(*(*tokenizer)->Encode("ab", ControlTokens::kPlainText),
              ElementsAre(builder.Id("a"), builder.Id("b")));
  EXPECT_THAT(*(*tokenizer)->Encode("é", ControlTokens::kPlainText),
              ElementsAre(builder.Id("<0xC3>"), builder.Id("<0xA9>")));
}

TEST_F(TokenizerTest, TextThatIsNotUtf8IsRefusedAtItsFirstBadByte) {
  const struct {
    std::string text;
    std::string place;
  } kCases[] = {{"ab\xFF", "byte 2 is 0xff"},       {"\xC3", "byte 0 is 0xc3"},
                {"a\x80z", "byte 1 is 0x80"},       {"\xC0\xAF", "byte 0 is 0xc0"},
                {"\xED\xA0\x80", "byte 0 is 0xed"}, {"\xF4\x90\x80\x80", "byte 0 is 0xf4"},
                {"é\xE2\x82", "byte 2 is 0xe2"}};
  for (const auto& [text, place] : kCases) {
    for (ControlTokens control : {ControlTokens::kParse, ControlTokens::kPlainText}) {
      const auto ids = tokenizer_->Encode(text, control);
      EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(ids.status().message()), HasSubstr(place));
    }
  }
}

TEST_F(TokenizerTest, TokenIdFindsExactSpellings) {
  EXPECT_EQ(tokenizer_->TokenId("<|turn>"), SmallVocabulary().Id("<|turn>"));
  EXPECT_EQ(tokenizer_->TokenId("▁world"), SmallVocabulary().Id("▁world"));
  EXPECT_EQ(tokenizer_->TokenId("<|channel>"), std::nullopt);
}

TEST_F(TokenizerTest, RoundTripIsExact) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 500; ++i) {
    const std::string text = RandomText(40, &random);
    const auto ids = tokenizer_->Encode(text, ControlTokens::kParse);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*Decode(tokenizer_->vocabulary(), *ids, ControlText::kShow), text);
  }
}

TEST(TokenizerCreateTest, AVocabularyThatLosesCharactersIsRefused) {
  VocabularyBuilder builder;
  builder.Add("a");
  auto tokenizer = Tokenizer::Create(builder.vocabulary());
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("no token for the byte 0"));
  builder.vocabulary().byte_fallback = false;
  tokenizer = Tokenizer::Create(builder.vocabulary());
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("no byte fallback"));
}

// Text is encoded with upper-case spellings; a byte that has only the lower-case one is lost.
TEST(TokenizerCreateTest, ALowerCaseByteTokenIsNoTokenForItsByte) {
  VocabularyBuilder builder = SmallVocabulary();
  builder.vocabulary().unk_id.reset();
  ASSERT_TRUE(Tokenizer::Create(builder.vocabulary()).ok());
  builder.vocabulary().tokens[builder.Id("<0xC3>")] = "<0xc3>";
  const auto tokenizer = Tokenizer::Create(builder.vocabulary());
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("no token for the byte 195"));
}

TEST(TokenizerCreateTest, AVocabularyThatFailsValidationIsRefused) {
  VocabularyBuilder builder = SmallVocabulary();
  builder.vocabulary().merges.push_back({0, 1, 1 << 20});
  const auto tokenizer = Tokenizer::Create(builder.vocabulary());
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TokenizerCreateTest, WhiteSpaceThatStripsIsRefused) {
  VocabularyBuilder builder = SmallVocabulary();
  builder.AddCutOut("\t\n", {.rstrip = true});
  const auto tokenizer = Tokenizer::Create(builder.vocabulary());
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("is white space"));
}

}  // namespace
}  // namespace coterie

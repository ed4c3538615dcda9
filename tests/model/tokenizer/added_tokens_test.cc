// Goal: added tokens are cut out of a text as Hugging Face `tokenizers` does it. Method: a table of
// texts; the expectations were compared with tokenizers 0.23.
#include "model/added_tokens.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/model/tokenizer/small_vocabulary.h"

namespace coterie {
namespace {

// "[id:text]" for a token, the text itself otherwise, with "|" between the pieces.
std::string Show(const Vocabulary& vocabulary, const std::string& text, ControlTokens control,
                 bool normalized = false) {
  const AddedTokens added(vocabulary, normalized);
  std::string shown;
  for (const AddedTokens::Piece& piece : added.Cut(text, control)) {
    if (!shown.empty()) shown += "|";
    const std::string piece_text(piece.text);
    shown += piece.token < 0 ? piece_text
                             : "[" + vocabulary.tokens[piece.token] + ":" + piece_text + "]";
  }
  return shown;
}

TEST(AddedTokensTest, TextBetweenTokensStays) {
  const Vocabulary vocabulary = SmallVocabulary().vocabulary();
  const auto show = [&](const std::string& text) {
    return Show(vocabulary, text, ControlTokens::kParse);
  };
  EXPECT_EQ(show(""), "");
  EXPECT_EQ(show("hello"), "hello");
  EXPECT_EQ(show("<bos>"), "[<bos>:<bos>]");
  EXPECT_EQ(show("a<bos><|turn>b"), "a|[<bos>:<bos>]|[<|turn>:<|turn>]|b");
  EXPECT_EQ(show("<<bos>>"), "<|[<bos>:<bos>]|>");
  EXPECT_EQ(show("<bos"), "<bos");
}

TEST(AddedTokensTest, PlainTextKeepsControlTokensButCutsOrdinaryOnes) {
  const Vocabulary vocabulary = SmallVocabulary().vocabulary();
  EXPECT_EQ(Show(vocabulary, "a<|turn><table><bos>", ControlTokens::kPlainText),
            "a<|turn>|[<table>:<table>]|<bos>");
}

TEST(AddedTokensTest, StrippingTakesWhiteSpaceAlong) {
  VocabularyBuilder builder;
  builder.AddCutOut("<l>", {.lstrip = true});
  builder.AddCutOut("<r>", {.rstrip = true});
  builder.AddCutOut("<n>", {.normalized = true});
  const auto show = [&](const std::string& text) {
    return Show(builder.vocabulary(), text, ControlTokens::kParse);
  };
  EXPECT_EQ(show("a \n<l> b"), "a|[<l>: \n<l>]| b");
  EXPECT_EQ(show("a <r>\t\u3000b"), "a |[<r>:<r>\t\u3000]|b");
  EXPECT_EQ(show("<r> <l>"), "[<r>:<r> ]|[<l>:<l>]");
  EXPECT_EQ(show("<n>"), "<n>");
}

TEST(AddedTokensTest, NormalizedTokensAreSoughtInTheirNormalizedSpelling) {
  VocabularyBuilder builder;
  builder.AddCutOut("a b", {.normalized = true});
  EXPECT_EQ(Show(builder.vocabulary(), "a b", ControlTokens::kParse, /*normalized=*/true), "a b");
  EXPECT_EQ(Show(builder.vocabulary(), "xa▁by", ControlTokens::kParse, /*normalized=*/true),
            "x|[a b:a▁b]|y");
}

}  // namespace
}  // namespace coterie

// Goal: pieces of text are whole characters and add up to what decoding at once gives, as Hugging
// Face `tokenizers` decodes. Method: hand-made runs of bytes, then random tokens cut at every
// place.
#include "model/detokenizer.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/utf8.h"
#include "tests/model/tokenizer/small_vocabulary.h"

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kReplacement[] = "\uFFFD";

class DetokenizerTest : public ::testing::Test {
 protected:
  std::vector<int32_t> Ids(const std::vector<std::string>& spellings) const {
    std::vector<int32_t> ids;
    ids.reserve(spellings.size());
    for (const std::string& spelling : spellings) ids.push_back(builder_.Id(spelling));
    return ids;
  }

  // The pieces that come out, one per token, and what is left at the end.
  std::vector<std::string> Pieces(const std::vector<int32_t>& ids, ControlText control) {
    Detokenizer detokenizer(&vocabulary_, control);
    std::vector<std::string> pieces;
    for (int32_t id : ids) {
      const auto piece = detokenizer.Append(id);
      EXPECT_TRUE(piece.ok()) << piece.status();
      pieces.push_back(*piece);
    }
    pieces.push_back(detokenizer.Finish());
    return pieces;
  }

  VocabularyBuilder builder_ = SmallVocabulary();
  const Vocabulary vocabulary_ = builder_.vocabulary();
};

TEST_F(DetokenizerTest, WordsComeAtOnce) {
  EXPECT_THAT(Pieces(Ids({"hello", "▁world", "▁▁"}), ControlText::kHide),
              ElementsAre("hello", " world", "  ", ""));
}

TEST_F(DetokenizerTest, BytesWaitUntilTheirRunEnds) {
  EXPECT_THAT(Pieces(Ids({"<0xC3>", "<0xA9>", "a"}), ControlText::kHide),
              ElementsAre("", "", "éa", ""));
  EXPECT_THAT(Pieces(Ids({"a", "<0xC3>", "<0xA9>"}), ControlText::kHide),
              ElementsAre("a", "", "", "é"));
}

TEST_F(DetokenizerTest, ARunThatIsNoTextIsOneReplacementPerByte) {
  const std::string r = kReplacement;
  EXPECT_THAT(Pieces(Ids({"<0xE2>", "<0x82>"}), ControlText::kHide), ElementsAre("", "", r + r));
  EXPECT_THAT(Pieces(Ids({"<0xC3>", "<0xA9>", "<0xFF>", "a"}), ControlText::kHide),
              ElementsAre("", "", "", r + r + r + "a", ""));
}

TEST_F(DetokenizerTest, ControlTokensAreHiddenOrShown) {
  const auto ids = Ids({"<bos>", "hello", "<turn|>", "<table>"});
  EXPECT_EQ(*Decode(vocabulary_, ids, ControlText::kHide), "hello<table>");
  EXPECT_EQ(*Decode(vocabulary_, ids, ControlText::kShow), "<bos>hello<turn|><table>");
}

TEST_F(DetokenizerTest, AHiddenTokenDoesNotBreakACharacter) {
  const auto ids = Ids({"<0xC3>", "<turn|>", "<0xA9>"});
  EXPECT_EQ(*Decode(vocabulary_, ids, ControlText::kHide), "é");
  EXPECT_EQ(*Decode(vocabulary_, ids, ControlText::kShow),
            std::string(kReplacement) + "<turn|>" + kReplacement);
}

TEST_F(DetokenizerTest, ATokenOutsideTheVocabularyIsRefusedAndChangesNothing) {
  Detokenizer detokenizer(&vocabulary_, ControlText::kHide);
  ASSERT_TRUE(detokenizer.Append(builder_.Id("<0x41>")).ok());
  for (int32_t id : {-1, vocabulary_.num_tokens()}) {
    const auto piece = detokenizer.Append(id);
    EXPECT_EQ(piece.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(piece.status().message()), HasSubstr("not in the vocabulary"));
  }
  EXPECT_EQ(detokenizer.Finish(), "A");
}

TEST_F(DetokenizerTest, AfterFinishItIsAsNew) {
  Detokenizer detokenizer(&vocabulary_, ControlText::kHide);
  ASSERT_TRUE(detokenizer.Append(builder_.Id("<0xC3>")).ok());
  EXPECT_EQ(detokenizer.Finish(), kReplacement);
  EXPECT_EQ(detokenizer.Finish(), "");
  EXPECT_EQ(*detokenizer.Append(builder_.Id("a")), "a");
}

TEST_F(DetokenizerTest, PiecesAreWholeCharactersAndAddUp) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int32_t> ids(random() % 12);
    // Half of them bytes that form characters now and then.
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % vocabulary_.num_tokens());
    const ControlText control = round % 2 == 0 ? ControlText::kHide : ControlText::kShow;
    std::string text;
    for (const std::string& piece : Pieces(ids, control)) {
      EXPECT_TRUE(IsValidUtf8(piece));
      text += piece;
    }
    EXPECT_EQ(text, *Decode(vocabulary_, ids, control));
  }
}

// Whatever text is cut into tokens, stopping after any of them and going on gives the whole text.
TEST_F(DetokenizerTest, EverySplitOfATextAddsUp) {
  const auto tokenizer = SmallTokenizer();
  std::mt19937_64 random(7);
  for (int round = 0; round < 100; ++round) {
    const std::string text = RandomText(15, &random);
    const auto ids = tokenizer->Encode(text, ControlTokens::kPlainText);
    ASSERT_TRUE(ids.ok());
    std::string so_far;
    for (const std::string& piece : Pieces(*ids, ControlText::kHide)) {
      EXPECT_TRUE(IsValidUtf8(piece));
      so_far += piece;
      EXPECT_EQ(text.compare(0, so_far.size(), so_far), 0) << text;
    }
    EXPECT_EQ(so_far, text);
  }
}

}  // namespace
}  // namespace coterie

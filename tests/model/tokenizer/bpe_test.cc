// Goal: the heap merges what repeated search for the best pair merges, and its work grows with the
// text, not with the square of it. Method: a quadratic judge on random vocabularies and texts;
// counted heap entries on a megabyte.
#include "model/bpe.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/model/tokenizer/small_vocabulary.h"

namespace coterie {
namespace {

constexpr int kMegabyte = 1 << 20;

std::vector<int32_t> Encode(const Vocabulary& vocabulary, const std::string& text,
                            BpeWork* work = nullptr) {
  std::vector<int32_t> ids;
  Bpe(vocabulary).Encode(text, ControlTokens::kParse, &ids, work);
  return ids;
}

// Letters a, b, c and random pairs merged, each new token once, so that no two rules make the same
// one.
Vocabulary RandomVocabulary(std::mt19937_64* random) {
  VocabularyBuilder builder;
  builder.vocabulary().unk_id = builder.Add("?");
  for (const char* letter : {"a", "b", "c"}) builder.Add(letter);
  const Vocabulary& vocabulary = builder.vocabulary();
  for (int i = 0; i < 12; ++i) {
    const std::string left = vocabulary.tokens[1 + (*random)() % (vocabulary.tokens.size() - 1)];
    const std::string right = vocabulary.tokens[1 + (*random)() % (vocabulary.tokens.size() - 1)];
    bool is_new = true;
    for (const std::string& token : vocabulary.tokens) is_new = is_new && token != left + right;
    if (!is_new) continue;
    builder.Add(left + right);
    builder.AddMerge(left, right);
  }
  return builder.vocabulary();
}

// Merges the best pair of all, the leftmost of equals, until there is none.
std::vector<int32_t> PlainEncode(const Vocabulary& vocabulary, const std::string& text) {
  std::vector<int32_t> ids;
  for (char c : text) ids.push_back(c - 'a' + 1);
  for (size_t rank = 0; rank < vocabulary.merges.size();) {
    const Merge& merge = vocabulary.merges[rank];
    size_t i = 0;
    while (i + 1 < ids.size() && (ids[i] != merge.left || ids[i + 1] != merge.right)) ++i;
    if (i + 1 >= ids.size()) {
      ++rank;
      continue;
    }
    ids[i] = merge.merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    rank = 0;
  }
  return ids;
}

TEST(BpeTest, AgreesWithRepeatedSearchForTheBestPair) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 500; ++round) {
    const Vocabulary vocabulary = RandomVocabulary(&random);
    std::string text(random() % 40, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    EXPECT_EQ(Encode(vocabulary, text), PlainEncode(vocabulary, text)) << text;
  }
}

TEST(BpeTest, RanksDecideBeforePlaces) {
  VocabularyBuilder builder;
  builder.vocabulary().unk_id = builder.Add("?");
  for (const char* text : {"a", "b", "c", "bc", "ab"}) builder.Add(text);
  builder.AddMerge("b", "c");
  builder.AddMerge("a", "b");
  EXPECT_EQ(Encode(builder.vocabulary(), "abc"),
            (std::vector<int32_t>{builder.Id("a"), builder.Id("bc")}));
  EXPECT_EQ(Encode(builder.vocabulary(), "abb"),
            (std::vector<int32_t>{builder.Id("ab"), builder.Id("b")}));
}

TEST(BpeTest, OfAPairListedTwiceTheLastRankCounts) {
  VocabularyBuilder builder;
  builder.vocabulary().unk_id = builder.Add("?");
  for (const char* text : {"a", "b", "c", "bc", "ab"}) builder.Add(text);
  builder.AddMerge("b", "c");
  builder.AddMerge("a", "b");
  builder.AddMerge("b", "c");
  EXPECT_EQ(Encode(builder.vocabulary(), "abc"),
            (std::vector<int32_t>{builder.Id("ab"), builder.Id("c")}));
}

TEST(BpeTest, UnknownCharactersFuse) {
  VocabularyBuilder builder;
  const int32_t unknown = builder.Add("?");
  const int32_t a = builder.Add("a");
  builder.vocabulary().unk_id = unknown;
  EXPECT_EQ(Encode(builder.vocabulary(), "éüaé"), (std::vector<int32_t>{unknown, a, unknown}));
  builder.vocabulary().fuse_unknown = false;
  EXPECT_EQ(Encode(builder.vocabulary(), "éüa"), (std::vector<int32_t>{unknown, unknown, a}));
}

TEST(BpeTest, BytesStandInOnlyWhenAllOfACharacterExist) {
  VocabularyBuilder builder;
  const int32_t unknown = builder.Add("?");
  builder.vocabulary().unk_id = unknown;
  const int32_t c3 = builder.Add("<0xC3>", TokenType::kByte),
                a9 = builder.Add("<0xA9>", TokenType::kByte);
  EXPECT_EQ(Encode(builder.vocabulary(), "é"), (std::vector<int32_t>{c3, a9}));
  EXPECT_EQ(Encode(builder.vocabulary(), "ü"), (std::vector<int32_t>{unknown}));
  builder.vocabulary().byte_fallback = false;
  EXPECT_EQ(Encode(builder.vocabulary(), "é"), (std::vector<int32_t>{unknown}));
}

TEST(BpeTest, LowerCaseByteSpellingsDoNotEncode) {
  VocabularyBuilder builder;
  builder.vocabulary().unk_id = builder.Add("?");
  builder.Add("<0xc3>", TokenType::kByte);
  builder.Add("<0xa9>", TokenType::kByte);
  EXPECT_EQ(Encode(builder.vocabulary(), "é"), (std::vector<int32_t>{0}));
}

// a, aa, aaaa, … up to 2^12 letters, as the runs of real vocabularies.
VocabularyBuilder RunsOfOneLetter() {
  VocabularyBuilder builder;
  builder.vocabulary().unk_id = builder.Add("?");
  std::string run = "a";
  builder.Add(run);
  for (int i = 0; i < 12; ++i) {
    builder.Add(run + run);
    builder.AddMerge(run, run);
    run += run;
  }
  return builder;
}

TEST(BpeTest, AMegabyteOfOneLetterTakesThreeEntriesACharacterAtMost) {
  BpeWork work;
  const auto ids = Encode(RunsOfOneLetter().vocabulary(), std::string(kMegabyte, 'a'), &work);
  EXPECT_EQ(ids.size(), size_t{kMegabyte >> 12});
  EXPECT_LE(work.heap_entries, int64_t{3} * kMegabyte);
  EXPECT_EQ(work.merges, kMegabyte - (kMegabyte >> 12));
}

TEST(BpeTest, AMegabyteOfRandomLettersTakesThreeEntriesACharacterAtMost) {
  std::mt19937_64 random(3);
  std::string text(kMegabyte, 'a');
  for (char& c : text) c = static_cast<char>('a' + random() % 3);
  BpeWork work;
  const auto ids = Encode(RandomVocabulary(&random), text, &work);
  EXPECT_LE(work.heap_entries, int64_t{3} * kMegabyte);
  EXPECT_EQ(work.merges, kMegabyte - static_cast<int64_t>(ids.size()));
}

TEST(BpeTest, WorkGrowsInStepWithTheText) {
  const Vocabulary vocabulary = RunsOfOneLetter().vocabulary();
  BpeWork half, whole;
  Encode(vocabulary, std::string(kMegabyte / 2, 'a'), &half);
  Encode(vocabulary, std::string(kMegabyte, 'a'), &whole);
  EXPECT_LE(whole.heap_entries, 2 * half.heap_entries + 64);
}

}  // namespace
}  // namespace coterie

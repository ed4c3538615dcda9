// Goal: the trie finds what a leftmost-longest search finds. Method: small tables, then a plain
// search on random texts of few letters, where spellings overlap often.
#include "model/token_trie.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace coterie {
namespace {

TEST(TokenTrieTest, TheLongestOfTheFirstPlaceWins) {
  TokenTrie trie;
  trie.Insert("ab", 1);
  trie.Insert("abcd", 2);
  trie.Insert("bcdefgh", 3);
  const auto match = trie.Find("xxabcdefgh", 0);
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->begin, 2u);
  EXPECT_EQ(match->end, 6u);
  EXPECT_EQ(match->value, 2);
}

TEST(TokenTrieTest, ADeadEndFallsBackToTheShorterSpelling) {
  TokenTrie trie;
  trie.Insert("a", 1);
  trie.Insert("aaab", 2);
  const auto match = trie.Find("aaa", 0);
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->end, 1u);
  EXPECT_EQ(match->value, 1);
}

TEST(TokenTrieTest, TheFirstValueOfASpellingStays) {
  TokenTrie trie;
  trie.Insert("a", 1);
  trie.Insert("a", 2);
  EXPECT_EQ(trie.Find("a", 0)->value, 1);
}

TEST(TokenTrieTest, NothingIsFoundInAnEmptyTextOrBehindTheEnd) {
  TokenTrie trie;
  EXPECT_FALSE(trie.Find("abc", 0).has_value());
  trie.Insert("a", 1);
  EXPECT_FALSE(trie.Find("", 0).has_value());
  EXPECT_FALSE(trie.Find("abc", 1).has_value());
  EXPECT_FALSE(trie.Find("abc", 3).has_value());
}

// (begin, value), by trying every spelling at every place.
std::pair<size_t, int> PlainFind(const std::vector<std::string>& spellings,
                                 const std::string& text) {
  for (size_t begin = 0; begin < text.size(); ++begin) {
    int longest = -1;
    for (size_t i = 0; i < spellings.size(); ++i) {
      const bool here = text.compare(begin, spellings[i].size(), spellings[i]) == 0;
      if (here && (longest < 0 || spellings[i].size() > spellings[longest].size()))
        longest = static_cast<int>(i);
    }
    if (longest >= 0) return {begin, longest};
  }
  return {text.size(), -1};
}

TEST(TokenTrieTest, AgreesWithAPlainSearch) {
  std::mt19937_64 random(1);
  const auto word = [&random](int length_max) {
    std::string text(1 + random() % length_max, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> spellings;
    TokenTrie trie;
    for (int i = 0; i < 4; ++i) {
      spellings.push_back(word(5));
      trie.Insert(spellings.back(), i);
    }
    const std::string text = word(12);
    const auto [begin, value] = PlainFind(spellings, text);
    const auto match = trie.Find(text, 0);
    ASSERT_EQ(match.has_value(), value >= 0) << text;
    if (!match) continue;
    EXPECT_EQ(match->begin, begin) << text;
    EXPECT_EQ(match->value, value) << text;
    EXPECT_EQ(match->end, begin + spellings[value].size()) << text;
  }
}

}  // namespace
}  // namespace coterie

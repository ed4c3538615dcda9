// Patterns, beside std::regex on texts of all kinds.
#include "router/grammar/regex_dfa.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>

namespace coterie {
namespace {

bool Matches(const std::string& pattern, const std::string& text) {
  const auto dfa = RegexDfa(pattern);
  EXPECT_TRUE(dfa.ok()) << pattern << dfa.status();
  return dfa.ok() && dfa->Matches(text);
}

TEST(RegexDfaTest, AgreesWithEcmaScript) {
  for (const std::string pattern : {"",
                                    "a",
                                    "^a",
                                    "a$",
                                    "^a$",
                                    "a|b",
                                    "^(a|b)*c$",
                                    "ab*c+d?",
                                    "^[a-c]+$",
                                    "[^a-c]",
                                    "^\\w+\\s\\d$",
                                    "^a{2,3}$",
                                    "^(?:ab){2}$",
                                    "^a{2,}b*?$",
                                    "(^a|b$)",
                                    "^(a*)*b$",
                                    "\\.",
                                    "^.b.$",
                                    "^$",
                                    "[ab]{1}c",
                                    "\\x61\\u0062",
                                    "^[\\d-]+$",
                                    "a||b",
                                    "()",
                                    "^(a|ab)(c|bcd)$",
                                    "[]",
                                    "[^]"}) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 300; ++i) {
      std::string text;
      for (uint64_t n = random() % 6; n > 0; --n) text += "abcd1 .-_"[random() % 9];
      EXPECT_EQ(Matches(pattern, text), std::regex_search(text, std::regex(pattern)))
          << pattern << " on " << text;
    }
  }
}

TEST(RegexDfaTest, CountsCharactersNotBytes) {
  EXPECT_TRUE(Matches("^.{2}$", "中😀"));
  EXPECT_TRUE(Matches("^[α-ω]+$", "λογος"));
  EXPECT_FALSE(Matches("^\\w$", "é"));
  EXPECT_TRUE(Matches("^[^x]$", "é"));
}

TEST(RegexDfaTest, LengthsAreExact) {
  const auto dfa = WithLength(*RegexDfa("^(ab)*$"), 3, 7);
  ASSERT_TRUE(dfa.ok());
  EXPECT_FALSE(dfa->Matches("ab"));
  EXPECT_TRUE(dfa->Matches("abab"));
  EXPECT_TRUE(dfa->Matches("ababab"));
  EXPECT_FALSE(dfa->Matches("abababab"));
}

TEST(RegexDfaTest, NoneOfLeavesOutNamesOnly) {
  const CharDfa dfa = NoneOf({"ab", "abc", "é"}, AllChars(), AllChars(), {{' ', ' '}});
  for (const char* const text : {"a", "abcd", "b", "éa", "ac", "a b"})
    EXPECT_TRUE(dfa.Matches(text)) << text;
  for (const char* const text : {"", "ab", "abc", "é", "a "})
    EXPECT_FALSE(dfa.Matches(text)) << text;
}

}  // namespace
}  // namespace coterie

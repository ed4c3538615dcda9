// UTF-8 as the standard defines it: checked against every code point, and by hand where valid turns
// invalid.
#include "model/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace coterie {
namespace {

bool IsSurrogate(uint32_t point) { return point >= 0xD800 && point <= 0xDFFF; }

std::string Utf8Of(uint32_t point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xC0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)};
}

TEST(Utf8Test, EveryCodePointIsReadBackAndSurrogatesAreNot) {
  for (uint32_t point = 0; point < 0x110000; ++point) {
    const std::string text = Utf8Of(point);
    ASSERT_EQ(Utf8Length(text), IsSurrogate(point) ? 0 : text.size()) << point;
    if (IsSurrogate(point)) continue;
    ASSERT_EQ(CodePoint(text), point);
    ASSERT_EQ(Utf8Length(text + "\x80"), text.size()) << "what follows does not matter";
  }
}

TEST(Utf8Test, EveryProperBeginningOfACharacterIsOne) {
  for (uint32_t point = 0; point < 0x110000; point += point < 0x3000 ? 1 : 61) {
    if (IsSurrogate(point)) continue;
    const std::string text = Utf8Of(point);
    EXPECT_FALSE(IsUtf8Beginning(text));
    for (size_t size = 1; size < text.size(); ++size) {
      ASSERT_TRUE(IsUtf8Beginning(text.substr(0, size))) << point << " cut at " << size;
    }
  }
}

TEST(Utf8Test, WhatCannotBecomeACharacterIsNoBeginning) {
  for (const char* bytes : {"", "a", "\x80", "\xC0", "\xC1", "\xF5", "\xFF", "\xE0\x9F", "\xED\xA0",
                            "\xF0\x8F", "\xF4\x90", "\xE2\x41", "\xF0\x9F\x41"}) {
    EXPECT_FALSE(IsUtf8Beginning(bytes)) << QuoteForMessage(bytes);
  }
}

TEST(Utf8Test, ValidPrefixEndsAtTheFirstBadByte) {
  struct Case {
    const char* text;
    size_t valid;
  };
  for (const Case& c :
       {Case{"", 0}, Case{"abc", 3}, Case{"a\xC3\xA9", 3}, Case{"a\xC3", 1}, Case{"ab\x80zz", 2},
        Case{"\xC0\x80", 0}, Case{"x\xE2\x96", 1}, Case{"\xF4\x8F\xBF\xBF", 4},
        Case{"\xF4\x90\x80\x80", 0}, Case{"\xED\x9F\xBF\xED\xA0\x80", 3}}) {
    EXPECT_EQ(ValidUtf8Prefix(c.text), c.valid) << QuoteForMessage(c.text);
  }
}

TEST(Utf8Test, WhiteSpaceIsCountedInWholeCharacters) {
  EXPECT_EQ(WhiteSpaceAtFront(" \t\n\u00A0\u3000x "), 8u);
  EXPECT_EQ(WhiteSpaceAtBack(" x\u2028\u205F \u0085"), 9u);
  EXPECT_EQ(WhiteSpaceAtFront("\u2003"), 3u);
  EXPECT_EQ(WhiteSpaceAtBack("\u2003"), 3u);
  EXPECT_EQ(WhiteSpaceAtFront(""), 0u);
  EXPECT_EQ(WhiteSpaceAtBack(""), 0u);
  // Looks like space, and is none: zero width space, byte order mark, Braille blank, ▁.
  for (const char* text : {"\u200B", "\uFEFF", "\u2800", "▁", "\x1C"}) {
    EXPECT_EQ(WhiteSpaceAtFront(text), 0u) << QuoteForMessage(text);
  }
}

TEST(Utf8Test, QuoteForMessageIsShortAndValidWhateverItQuotes) {
  EXPECT_EQ(QuoteForMessage("a\n\x01"), "\"a\\n\\x01\"");
  EXPECT_EQ(QuoteForMessage("é▁"), "\"é▁\"");
  EXPECT_EQ(QuoteForMessage("a\xFF"), "\"a\\xff\"");
  for (const std::string& unit : {std::string("x"), std::string("▁"), std::string("\xFF")}) {
    for (size_t offset = 0; offset < 4; ++offset) {
      std::string text(offset, 'x');
      while (text.size() < 4096) text += unit;
      const std::string quoted = QuoteForMessage(text);
      EXPECT_LT(quoted.size(), 250u);
      EXPECT_TRUE(IsValidUtf8(quoted)) << quoted;
    }
  }
}

}  // namespace
}  // namespace coterie

// Goal: values print as Python prints them. Method: tables, the expectations from Python 3.11.
#include "model/python_text.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"
#include "model/lower_case.h"

namespace coterie {
namespace {

TEST(PythonTextTest, Numbers) {
  const struct {
    double value;
    std::string text;
  } cases[] = {
      {0, "0.0"},
      {-0.0, "-0.0"},
      {1, "1.0"},
      {100, "100.0"},
      {-2.5, "-2.5"},
      {0.1, "0.1"},
      {0.001234, "0.001234"},
      {1e-4, "0.0001"},
      {1e-5, "1e-05"},
      {1.25e-7, "1.25e-07"},
      {123456789012345680, "1.2345678901234568e+17"},
      {1e15, "1000000000000000.0"},
      {9999999999999998, "9999999999999998.0"},
      {1e16, "1e+16"},
      {1e20, "1e+20"},
      {1.5e300, "1.5e+300"},
      {5e-324, "5e-324"},
      {1.0 / 3, "0.3333333333333333"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {std::numeric_limits<double>::infinity(), "inf"},
      {-std::numeric_limits<double>::infinity(), "-inf"},
      {std::numeric_limits<double>::quiet_NaN(), "nan"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(PythonNumber(value), text);
}

TEST(PythonTextTest, Values) {
  const struct {
    std::string json, text;
  } cases[] = {
      {R"("it's")", "it's"},
      {"null", "None"},
      {"true", "True"},
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {R"(["a", "it's", "\"", "'\"", "\\\n\t\r\u0000\u007f"])",
       R"(['a', "it's", '"', '\'"', '\\\n\t\r\x00\x7f'])"},
      {R"({"b": [null, true, 1, 1.0], "a": {}, "c": []})",
       R"({'b': [None, True, 1, 1.0], 'a': {}, 'c': []})"},
  };
  for (const auto& [json, text] : cases) EXPECT_EQ(*PythonText(*ParseChatJson(json)), text);
  EXPECT_FALSE(PythonText(*ParseChatJson(R"(["é"])")).ok());
  EXPECT_FALSE(PythonText(ChatJson::binary({1})).ok());
}

TEST(PythonTextTest, Truth) {
  for (const char* json : {"null", "false", "0", "0.0", "-0.0", "\"\"", "[]", "{}"})
    EXPECT_FALSE(PythonTruth(*ParseChatJson(json))) << json;
  for (const char* json : {"true", "-1", "0.5", "18446744073709551615", "\" \"", "[0]", "{\"\":0}"})
    EXPECT_TRUE(PythonTruth(*ParseChatJson(json))) << json;
}

TEST(PythonTextTest, Strip) {
  EXPECT_EQ(PythonStrip(""), "");
  EXPECT_EQ(PythonStrip(" \n\t "), "");
  EXPECT_EQ(PythonStrip("\x1c\u00a0\u3000 a b\u2028\x1f\u0085"), "a b");
  EXPECT_EQ(PythonStrip("\u200ba\u200b"), "\u200ba\u200b");
  EXPECT_EQ(PythonStrip(" \xff "), "\xff");
  EXPECT_EQ(PythonStrip(" \x80 "), "\x80");
}

TEST(LowerCaseTest, IsThatOfPython) {
  EXPECT_EQ(LowerCase("ABC xyz 1"), "abc xyz 1");
  EXPECT_EQ(LowerCase("ÄÖÜ ẞ Ж Ω"), "äöü ß ж ω");
  EXPECT_EQ(LowerCase("ĀāĂ ǅ Ÿ Ⅷ Ⓐ"), "āāă ǆ ÿ ⅷ ⓐ");
  EXPECT_EQ(LowerCase("\u2126\u212A\u0130"), "\u03C9ki\u0307");
  EXPECT_EQ(LowerCase("𐐀日🦙×ß"), "𐐨日🦙×ß");
  EXPECT_EQ(LowerCase("A\xff"
                      "B"),
            "a\xff"
            "b");
}

}  // namespace
}  // namespace coterie

#include "model/python_text.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"
#include "model/utf8.h"

namespace coterie {
namespace {

// Python writes numbers out from 1e-4 to below 1e16.
constexpr int kExponentMin = -4, kExponentMax = 16;

// The fewest digits that read back as the same number (`digits`, the first one before the point)
// and the power of ten.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal ShortestDecimal(double value) {
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const absl::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  return {absl::StrReplaceAll(text.substr(0, e), {{".", ""}}),
          std::atoi(std::string(text.substr(e + 1)).c_str())};
}

absl::StatusOr<std::string> Literal(const ChatJson& value, int depth);

absl::StatusOr<std::string> StringLiteral(const std::string& text) {
  const char quote = absl::StrContains(text, '\'') && !absl::StrContains(text, '"') ? '"' : '\'';
  std::string literal(1, quote);
  for (char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x80) {
      return absl::InvalidArgumentError(
          absl::StrCat("the string ", QuoteForMessage(text),
                       " stands in a list where a text is expected, and is not ASCII"));
    }
    if (c == quote || c == '\\') {
      literal += {'\\', c};
    } else if (c == '\n') {
      literal += "\\n";
    } else if (c == '\r') {
      literal += "\\r";
    } else if (c == '\t') {
      literal += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      literal += absl::StrFormat("\\x%02x", byte);
    } else {
      literal += c;
    }
  }
  return literal + quote;
}

absl::StatusOr<std::string> ContainerLiteral(const ChatJson& value, int depth) {
  std::string literal = value.is_object() ? "{" : "[";
  for (auto it = value.begin(); it != value.end(); ++it) {
    if (it != value.begin()) literal += ", ";
    if (value.is_object()) {
      ASSIGN_OR_RETURN(const std::string key, StringLiteral(it.key()));
      absl::StrAppend(&literal, key, ": ");
    }
    ASSIGN_OR_RETURN(const std::string item, Literal(*it, depth + 1));
    literal += item;
  }
  return literal + (value.is_object() ? "}" : "]");
}

absl::StatusOr<std::string> Literal(const ChatJson& value, int depth) {
  switch (value.type()) {
    case ChatJson::value_t::null:
      return "None";
    case ChatJson::value_t::boolean:
      return value.get<bool>() ? "True" : "False";
    case ChatJson::value_t::number_integer:
      return absl::StrCat(value.get<int64_t>());
    case ChatJson::value_t::number_unsigned:
      return absl::StrCat(value.get<uint64_t>());
    case ChatJson::value_t::number_float:
      return PythonNumber(value.get<double>());
    case ChatJson::value_t::string:
      return StringLiteral(value.get_ref<const std::string&>());
    case ChatJson::value_t::array:
    case ChatJson::value_t::object:
      if (depth < kChatDepthMax) return ContainerLiteral(value, depth);
      return absl::InvalidArgumentError(
          absl::StrCat("a value nests deeper than ", kChatDepthMax, " levels"));
    default:
      return absl::InvalidArgumentError("a value is of no kind that JSON has");
  }
}

// str.isspace(): Unicode's White_Space, and the four separators of ASCII.
bool IsPythonSpace(uint32_t code_point) {
  return IsWhiteSpace(code_point) || (code_point >= 0x1C && code_point <= 0x1F);
}

}  // namespace

std::string PythonNumber(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  auto [digits, exponent] = ShortestDecimal(std::abs(value));
  const std::string sign = std::signbit(value) ? "-" : "";
  if (exponent < kExponentMin || exponent >= kExponentMax) {
    if (digits.size() > 1) digits.insert(1, 1, '.');
    return absl::StrFormat("%s%se%c%02d", sign, digits, exponent < 0 ? '-' : '+',
                           std::abs(exponent));
  }
  if (exponent < 0) {
    return absl::StrCat(sign, "0.", std::string(static_cast<size_t>(-exponent - 1), '0'), digits);
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) digits.append(whole + 1 - digits.size(), '0');
  return absl::StrCat(sign, digits.substr(0, whole), ".", digits.substr(whole));
}

absl::StatusOr<std::string> PythonText(const ChatJson& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  return Literal(value, 0);
}

bool PythonTruth(const ChatJson& value) {
  switch (value.type()) {
    case ChatJson::value_t::null:
      return false;
    case ChatJson::value_t::boolean:
      return value.get<bool>();
    case ChatJson::value_t::number_integer:
    case ChatJson::value_t::number_unsigned:
    case ChatJson::value_t::number_float:
      return value.get<double>() != 0;
    case ChatJson::value_t::string:
      return !value.get_ref<const std::string&>().empty();
    default:
      return !value.empty();
  }
}

absl::string_view PythonStrip(absl::string_view text) {
  for (size_t length = 0; (length = Utf8Length(text)) > 0; text.remove_prefix(length)) {
    if (!IsPythonSpace(CodePoint(text.substr(0, length)))) break;
  }
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
    const absl::string_view last = text.substr(begin);
    if (Utf8Length(last) != last.size() || !IsPythonSpace(CodePoint(last))) break;
    text.remove_suffix(last.size());
  }
  return text;
}

}  // namespace coterie

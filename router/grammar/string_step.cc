// Always holds: what has been begun of a character can be ended, as UTF-8 or as an escape. A high
// surrogate's escape is followed by a low one's.
#include "router/grammar/string_step.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"

namespace coterie {
namespace {

enum Part : int64_t {
  kBetween,
  // UTF-8: so many continuation bytes to come, the first of them narrowed in four cases.
  kOne,
  kTwo,
  kThree,
  kTwoFromA0,
  kTwoTo9F,
  kThreeFrom90,
  kThreeTo8F,
  // Escapes: after the backslash, before a hexadecimal digit.
  kBackslash,
  kHex1,
  kHex2,
  kHex3,
  kHex4,
  kHexAfterD,  // the second digit, which makes it a surrogate or not
  kHigh3,
  kHigh4,
  kLowBackslash,
  kLowU,
  kLow1,
  kLow2,
};

bool Within(uint8_t byte, uint8_t lo, uint8_t hi) { return byte >= lo && byte <= hi; }

}  // namespace

int64_t StringPlace::CharsLeft(const GrammarString& string) const {
  if (string.max_chars < 0) return std::numeric_limits<int64_t>::max();
  return string.max_chars - num_chars();
}

bool StringPlace::Go(int64_t part) {
  aux_ = num_chars() << 8 | part;
  return true;
}

bool StringPlace::EndChar(const GrammarString& string) {
  // Without a maximum nothing changes beyond the minimum: the number of states stays small.
  const int64_t count =
      string.max_chars < 0 ? std::min(num_chars() + 1, string.min_chars) : num_chars() + 1;
  aux_ = count << 8;
  return true;
}

bool StringPlace::Begin(const GrammarString& string, uint8_t byte) {
  if (CharsLeft(string) <= 0) return false;
  if (byte < 0x80) {
    if (IsPlainByte(string.syntax, byte)) return EndChar(string);
    const bool escape = string.syntax == ValueSyntax::kJson && string.escapes && byte == '\\';
    return GoIf(escape, kBackslash);
  }
  if (Within(byte, 0xC2, 0xDF)) return Go(kOne);
  if (byte == 0xE0) return Go(kTwoFromA0);
  if (byte == 0xED) return Go(kTwoTo9F);
  if (Within(byte, 0xE1, 0xEF)) return Go(kTwo);
  if (byte == 0xF0) return Go(kThreeFrom90);
  if (byte == 0xF4) return Go(kThreeTo8F);
  return GoIf(Within(byte, 0xF1, 0xF3), kThree);
}

bool StringPlace::Step(const GrammarString& string, uint8_t byte) {
  const bool continues = Within(byte, 0x80, 0xBF);
  const bool is_hex = absl::ascii_isxdigit(byte);
  const auto lower = static_cast<uint8_t>(absl::ascii_tolower(byte));
  switch (static_cast<Part>(aux_ & 0xFF)) {
    case kBetween:
      return Begin(string, byte);
    case kOne:
      return continues && EndChar(string);
    case kTwo:
      return GoIf(continues, kOne);
    case kThree:
      return GoIf(continues, kTwo);
    case kTwoFromA0:
      return GoIf(Within(byte, 0xA0, 0xBF), kOne);
    case kTwoTo9F:
      return GoIf(Within(byte, 0x80, 0x9F), kOne);
    case kThreeFrom90:
      return GoIf(Within(byte, 0x90, 0xBF), kTwo);
    case kThreeTo8F:
      return GoIf(Within(byte, 0x80, 0x8F), kTwo);
    case kBackslash:
      if (byte == 'u') return Go(kHex1);
      return absl::string_view("\"\\/bfnrt").find(static_cast<char>(byte)) !=
                 absl::string_view::npos &&
             EndChar(string);
    case kHex1:
      return GoIf(is_hex, lower == 'd' ? kHexAfterD : kHex2);
    case kHex2:
      return GoIf(is_hex, kHex3);
    case kHex3:
      return GoIf(is_hex, kHex4);
    case kHex4:
      return is_hex && EndChar(string);
    case kHexAfterD:
      if (Within(byte, '0', '7')) return Go(kHex3);
      return GoIf(Within(byte, '8', '9') || Within(lower, 'a', 'b'), kHigh3);
    case kHigh3:
      return GoIf(is_hex, kHigh4);
    case kHigh4:
      return GoIf(is_hex, kLowBackslash);
    case kLowBackslash:
      return GoIf(byte == '\\', kLowU);
    case kLowU:
      return GoIf(byte == 'u', kLow1);
    case kLow1:
      return GoIf(lower == 'd', kLow2);
    case kLow2:
      return GoIf(Within(lower, 'c', 'f'), kHex3);
  }
  return false;
}

}  // namespace coterie

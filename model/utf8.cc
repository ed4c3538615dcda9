#include "model/utf8.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

constexpr size_t kQuotedBytesMax = 48;

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// Length that the first byte announces; 0 for a byte that cannot be first.
size_t AnnouncedLength(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;  // continuation bytes, and the two overlong starts
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

// Of the second byte, which alone decides on overlong forms, surrogates and the upper end.
bool SecondFits(uint8_t first, uint8_t second) {
  if (!IsContinuation(second)) return false;
  switch (first) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second < 0xA0;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second < 0x90;
    default:
      return true;
  }
}

// True when the bytes after the first may follow it, as far as they are there.
bool TailFits(absl::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (bytes.size() > 1 && !SecondFits(byte(0), byte(1))) return false;
  for (size_t i = 2; i < bytes.size(); ++i) {
    if (!IsContinuation(byte(i))) return false;
  }
  return true;
}

}  // namespace

size_t Utf8Length(absl::string_view text) {
  if (text.empty()) return 0;
  const size_t length = AnnouncedLength(static_cast<uint8_t>(text[0]));
  return text.size() >= length && TailFits(text.substr(0, length)) ? length : 0;
}

bool IsUtf8Beginning(absl::string_view bytes) {
  if (bytes.empty()) return false;
  return bytes.size() < AnnouncedLength(static_cast<uint8_t>(bytes[0])) && TailFits(bytes);
}

size_t ValidUtf8Prefix(absl::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t length = Utf8Length(text.substr(end));
    if (length == 0) break;
    end += length;
  }
  return end;
}

uint32_t CodePoint(absl::string_view character) {
  constexpr uint8_t kFirstMask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  uint32_t point = static_cast<uint8_t>(character[0]) & kFirstMask[character.size()];
  for (char c : character.substr(1)) point = point << 6 | (static_cast<uint8_t>(c) & 0x3F);
  return point;
}

bool IsWhiteSpace(uint32_t point) {
  if (point <= 0x20) return point == 0x20 || (point >= 0x09 && point <= 0x0D);
  switch (point) {
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
      return true;
    default:
      return point >= 0x2000 && point <= 0x200A;
  }
}

size_t WhiteSpaceAtFront(absl::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t length = Utf8Length(text.substr(end));
    if (length == 0 || !IsWhiteSpace(CodePoint(text.substr(end, length)))) break;
    end += length;
  }
  return end;
}

size_t WhiteSpaceAtBack(absl::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t first = begin - 1;
    while (first > 0 && IsContinuation(static_cast<uint8_t>(text[first]))) --first;
    if (!IsWhiteSpace(CodePoint(text.substr(first, begin - first)))) break;
    begin = first;
  }
  return text.size() - begin;
}

std::string QuoteForMessage(absl::string_view text) {
  const bool cut = text.size() > kQuotedBytesMax;
  // The cut may be in the middle of a character; what it leaves of that is dropped.
  absl::string_view shown = text.substr(0, kQuotedBytesMax);
  if (cut && IsUtf8Beginning(shown.substr(ValidUtf8Prefix(shown))))
    shown = shown.substr(0, ValidUtf8Prefix(shown));
  const std::string escaped =
      IsValidUtf8(shown) ? absl::Utf8SafeCHexEscape(shown) : absl::CHexEscape(shown);
  return absl::StrCat("\"", escaped, cut ? "…" : "", "\"");
}

}  // namespace coterie

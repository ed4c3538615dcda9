#include "router/grammar/text_chars.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace coterie {

std::optional<uint32_t> TakeChar(absl::string_view* text) {
  if (text->empty()) return std::nullopt;
  const auto first = static_cast<uint8_t>(text->front());
  const size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (first >= 0x80 && (first < 0xC2 || first > 0xF4)) return std::nullopt;
  if (text->size() < length) return std::nullopt;
  uint32_t c = length == 1 ? first : first & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>((*text)[i]);
    if ((byte & 0xC0) != 0x80) return std::nullopt;
    c = c << 6 | (byte & 0x3F);
  }
  // Neither longer than it must be, nor a surrogate, nor beyond the last.
  constexpr uint32_t kFirst[] = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kFirst[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return std::nullopt;
  text->remove_prefix(length);
  return c;
}

int64_t NumChars(absl::string_view text) {
  int64_t count = 0;
  for (; !text.empty(); ++count) {
    if (!TakeChar(&text)) return -1;
  }
  return count;
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kShownMax = 60;
  const bool cut = text.size() > kShownMax;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kShownMax)), cut ? "…'" : "'");
}

}  // namespace coterie

#include "router/grammar/text_chars.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "model/utf8.h"

namespace coterie {

std::optional<uint32_t> TakeChar(absl::string_view* text) {
  const size_t length = Utf8Length(*text);
  if (length == 0) return std::nullopt;
  const uint32_t c = CodePoint(text->substr(0, length));
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

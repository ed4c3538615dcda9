// Characters of texts in UTF-8.
#ifndef COTERIE_ROUTER_GRAMMAR_TEXT_CHARS_H_
#define COTERIE_ROUTER_GRAMMAR_TEXT_CHARS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace coterie {

// Removes the character at the front of `text`; nothing when there is no valid one.
std::optional<uint32_t> TakeChar(absl::string_view* text);

// Characters of `text`; -1 when it is not UTF-8.
int64_t NumChars(absl::string_view text);

// `text` in quotes for a message: cut to a few dozen bytes, what does not print escaped.
std::string Quoted(absl::string_view text);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_TEXT_CHARS_H_

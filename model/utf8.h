// UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
#ifndef COTERIE_MODEL_UTF8_H_
#define COTERIE_MODEL_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace coterie {

// Bytes of the character at the front of `text`; 0 when there is none, or no valid one.
size_t Utf8Length(absl::string_view text);

// True for a part of a character: more bytes can make it one valid character.
bool IsUtf8Beginning(absl::string_view bytes);

// The longest valid beginning of `text`, in bytes; all of it when `text` is valid.
size_t ValidUtf8Prefix(absl::string_view text);

inline bool IsValidUtf8(absl::string_view text) { return ValidUtf8Prefix(text) == text.size(); }

// The code point of the one valid character `text`.
uint32_t CodePoint(absl::string_view character);

// Unicode's White_Space.
bool IsWhiteSpace(uint32_t code_point);

// Bytes of white space at the front and at the back of a valid `text`.
size_t WhiteSpaceAtFront(absl::string_view text);
size_t WhiteSpaceAtBack(absl::string_view text);

// `text` in quotes for a message: cut to a few dozen bytes, what does not print escaped.
std::string QuoteForMessage(absl::string_view text);

}  // namespace coterie

#endif  // COTERIE_MODEL_UTF8_H_

// TokenText: a token as text of its own, for logprobs: control tokens as they are spelled, ▁ as a
// space, a byte token as its byte, which alone may be no UTF-8.
#ifndef COTERIE_ROUTER_FRONTEND_TOKEN_TEXT_H_
#define COTERIE_ROUTER_FRONTEND_TOKEN_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_replace.h"
#include "model/vocabulary.h"

namespace coterie {

// Requires a token of the vocabulary.
inline std::string TokenText(const Vocabulary& vocabulary, int32_t token) {
  const std::string& spelling = vocabulary.tokens[static_cast<size_t>(token)];
  if (const std::optional<uint8_t> byte = ByteOfSpelling(spelling))
    return std::string(1, static_cast<char>(*byte));
  return absl::StrReplaceAll(spelling, {{"▁", " "}});
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_TOKEN_TEXT_H_

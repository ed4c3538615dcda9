// How a value is written.
#ifndef COTERIE_ROUTER_GRAMMAR_VALUE_SYNTAX_H_
#define COTERIE_ROUTER_GRAMMAR_VALUE_SYNTAX_H_

#include <cstdint>

namespace coterie {

enum class ValueSyntax : uint8_t {
  kJson,
  kCall,  // Gemma 4's tool calls: bare keys, strings between two quote tokens, without escapes
};

inline constexpr int kNumValueSyntaxes = 2;

// True for bytes that may stand inside a string as they are. Those from 0x80 on are part of a
// character.
inline bool IsPlainByte(ValueSyntax syntax, uint8_t byte) {
  if (syntax == ValueSyntax::kJson) return byte >= 0x20 && byte != '"' && byte != '\\';
  return byte >= 0x20 || byte == '\n' || byte == '\t' || byte == '\r';
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_VALUE_SYNTAX_H_

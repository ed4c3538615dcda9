// The patterns of JSON schemas (ECMA 262 regular expressions), as a tree.
#ifndef COTERIE_ROUTER_GRAMMAR_REGEX_AST_H_
#define COTERIE_ROUTER_GRAMMAR_REGEX_AST_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/grammar/char_set.h"

namespace coterie {

// Longest pattern, deepest group and highest count that are read.
inline constexpr int kPatternBytesMax = 4096;
inline constexpr int kPatternDepthMax = 32;
inline constexpr int kPatternCountMax = 4096;

struct RegexNode {
  enum class Kind {
    kSet,     // one character
    kList,    // all parts, one after the other; of none: the empty text
    kChoice,  // one of the parts
    kRepeat,  // parts[0], min to max times; max < 0: any number
    kBegin,   // ^
    kEnd,     // $
  };
  Kind kind = Kind::kList;
  CharSet set;
  std::vector<RegexNode> parts;
  int min = 0, max = -1;
};

// Reads literals, ., classes, \d \w \s and their opposites, \t \n \r \f \v \xHH \uHHHH, groups
// (capturing or not), |, * + ? {n,m} (lazy ones too: they match the same), ^ and $.
//
// InvalidArgument says what it met: look-around, back references, \b, \p, a syntax error, a size
// beyond the limits above.
absl::StatusOr<RegexNode> ParseRegex(absl::string_view pattern);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_REGEX_AST_H_

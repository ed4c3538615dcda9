// Sets of Unicode characters, and their spelling in UTF-8 as ranges of bytes.
#ifndef COTERIE_ROUTER_GRAMMAR_CHAR_SET_H_
#define COTERIE_ROUTER_GRAMMAR_CHAR_SET_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace coterie {

struct CharRange {
  uint32_t lo, hi;  // both belong to it
};

// Sorted, disjoint, without surrogates. Pure functions; thread-safe.
using CharSet = std::vector<CharRange>;

// Every character but the surrogates, which are none.
CharSet AllChars();
// Ranges in any order, overlapping or not, to a set.
CharSet MakeCharSet(std::vector<CharRange> ranges);
CharSet Without(const CharSet& set, const CharSet& removed);
CharSet Common(const CharSet& a, const CharSet& b);

struct ByteRange {
  uint8_t lo, hi;
};

// Calls `take` with sequences of 1 to 4 ranges; together they spell exactly the characters of
// `range`, which has no surrogates.
void ForEachUtf8Sequence(CharRange range,
                         const std::function<void(std::span<const ByteRange>)>& take);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_CHAR_SET_H_

// CharDfa: which texts a string may be, as a deterministic automaton on characters.
#ifndef COTERIE_ROUTER_GRAMMAR_CHAR_DFA_H_
#define COTERIE_ROUTER_GRAMMAR_CHAR_DFA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/grammar/char_set.h"

namespace coterie {

// A pattern with more states than this is refused: `(a|b)*a(a|b){20}` has a million.
inline constexpr int kCharStatesMax = 8192;

struct CharEdge {
  uint32_t lo, hi;
  int32_t target;
};

struct CharState {
  std::vector<CharEdge> edges;  // disjoint, sorted
  bool accepts = false;
};

// State 0 is the first. After Pruned, every state leads to an accepting one, and no state at all
// means that nothing matches. Values; thread-compatible.
struct CharDfa {
  std::vector<CharState> states;

  // `text` is UTF-8.
  bool Matches(absl::string_view text) const;
  // From here on anything may come, and the end too.
  bool IsFree(int32_t state) const;
};

CharDfa Pruned(const CharDfa& dfa);

// What both match. InvalidArgument when that takes more than kCharStatesMax states.
absl::StatusOr<CharDfa> Intersection(const CharDfa& a, const CharDfa& b);

// What `dfa` matches and has `min` to `max` characters; max < 0: any number. Same error.
absl::StatusOr<CharDfa> WithLength(const CharDfa& dfa, int64_t min, int64_t max);

// Texts of one character of `first` and then of `rest`, none of `names`, not ending in `not_last`.
// Never more states than the names have characters, plus a few.
CharDfa NoneOf(const std::vector<std::string>& names, const CharSet& first, const CharSet& rest,
               const CharSet& not_last);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_CHAR_DFA_H_

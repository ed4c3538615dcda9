// Finds the spellings of a set in a text, as a leftmost-longest search does: the first place where
// any of them begins, and there the longest.
//
// A walk from one place is at most as long as the longest spelling (kAddedTokenBytesMax,
// vocabulary.h), and most places fail at their first byte, in a table; Aho-Corasick would save the
// rest of those walks and cost twice the nodes. Thread-compatible: const after the insertions.
#ifndef COTERIE_MODEL_TOKEN_TRIE_H_
#define COTERIE_MODEL_TOKEN_TRIE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace coterie {

class TokenTrie {
 public:
  struct Match {
    size_t begin = 0;
    size_t end = 0;
    int32_t value = 0;
  };

  TokenTrie();

  // Requires a spelling of at least one byte, and value >= 0. The first value of a spelling stays.
  void Insert(absl::string_view spelling, int32_t value);

  // The first match that begins at `from` or later.
  std::optional<Match> Find(absl::string_view text, size_t from) const;

 private:
  int32_t Child(int32_t node, uint8_t byte) const;
  // The longest spelling that begins at `begin`.
  std::optional<Match> MatchAt(absl::string_view text, size_t begin) const;

  std::array<int32_t, 256> first_;                   // node after a spelling's first byte, or -1
  absl::flat_hash_map<uint64_t, int32_t> children_;  // node * 256 + byte → node
  std::vector<int32_t> values_;                      // [num_nodes] what ends at this node, or -1
};

}  // namespace coterie

#endif  // COTERIE_MODEL_TOKEN_TRIE_H_

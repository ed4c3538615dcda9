// ByteTrie: tokens by the bytes that they stand for, so that tokens which begin alike are judged
// together.
#ifndef COTERIE_ROUTER_GRAMMAR_BYTE_TRIE_H_
#define COTERIE_ROUTER_GRAMMAR_BYTE_TRIE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "router/grammar/value_syntax.h"

namespace coterie {

// Longer tokens are in no trie, and so never come under a grammar. Gemma's longest has 93 bytes.
inline constexpr size_t kTrieDepthMax = 255;

// Nodes in the order of a walk: a node, its first child with all below it, the next child. Skipping
// what lies below a node is a jump to its `end`. Const after construction; thread-safe.
class ByteTrie {
 public:
  struct Entry {
    absl::string_view bytes;  // not empty
    int32_t token = 0;
  };
  struct Node {
    int32_t end = 0;           // the first node that is not below this one
    int32_t tokens_begin = 0;  // of those that end here or below
    uint8_t byte = 0;
    uint8_t depth = 0;   // of the root's children: 1
    uint8_t height = 0;  // bytes of the longest way below
    uint8_t plain =
        0;  // a bit for each syntax: all ways below are plain text, character by character
  };

  ByteTrie() = default;
  explicit ByteTrie(std::vector<Entry> entries);

  int32_t num_nodes() const { return static_cast<int32_t>(nodes_.size()) - 1; }
  const Node& node(int32_t index) const { return nodes_[index]; }
  // Byte tokens and letters may spell the same, so there may be several.
  std::span<const int32_t> TokensAt(int32_t index) const { return TokensOf(index, index + 1); }
  std::span<const int32_t> TokensAtAndBelow(int32_t index) const {
    return TokensOf(index, nodes_[index].end);
  }
  static bool IsPlainBelow(const Node& node, ValueSyntax syntax) {
    return ((node.plain >> static_cast<int>(syntax)) & 1) != 0;
  }

 private:
  std::span<const int32_t> TokensOf(int32_t begin, int32_t end) const {
    const int32_t first = nodes_[begin].tokens_begin;
    return std::span<const int32_t>(tokens_).subspan(first, nodes_[end].tokens_begin - first);
  }
  // Says of the nodes on the way to `bytes` what lies behind them.
  void MarkPath(absl::string_view bytes, std::span<const int32_t> path);

  std::vector<Node> nodes_ = std::vector<Node>(1);  // and one behind the last
  std::vector<int32_t> tokens_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_BYTE_TRIE_H_

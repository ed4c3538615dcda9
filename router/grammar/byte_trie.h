// ByteTrie: tokens by the bytes that they stand for, so that tokens which begin alike are judged
// together.
#ifndef COTERIE_ROUTER_GRAMMAR_BYTE_TRIE_H_
#define COTERIE_ROUTER_GRAMMAR_BYTE_TRIE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

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
    int32_t tokens_begin = 0;  // of tokens()
    uint16_t num_tokens = 0;   // that end here; byte tokens and letters may spell the same
    uint8_t byte = 0;
    uint8_t depth = 0;  // of the root's children: 1
  };

  ByteTrie() = default;
  explicit ByteTrie(std::vector<Entry> entries);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const int32_t> TokensAt(const Node& node) const {
    return std::span<const int32_t>(tokens_).subspan(node.tokens_begin, node.num_tokens);
  }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_BYTE_TRIE_H_

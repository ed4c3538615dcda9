#include "router/grammar/byte_trie.h"

#include <algorithm>
#include <limits>

namespace coterie {

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) {
    return entry.bytes.empty() || entry.bytes.size() > kTrieDepthMax;
  });
  // As unsigned bytes, which string_view's own order is.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.bytes < b.bytes; });
  std::vector<int32_t> path;  // open nodes, by depth
  const auto close_to = [&](size_t depth) {
    while (path.size() > depth) {
      nodes_[path.back()].end = static_cast<int32_t>(nodes_.size());
      path.pop_back();
    }
  };
  absl::string_view previous;
  for (const Entry& entry : entries) {
    size_t common = 0;
    while (common < previous.size() && common < entry.bytes.size() &&
           previous[common] == entry.bytes[common]) {
      ++common;
    }
    close_to(common);
    for (size_t i = common; i < entry.bytes.size(); ++i) {
      path.push_back(static_cast<int32_t>(nodes_.size()));
      Node& node = nodes_.emplace_back();
      node.byte = static_cast<uint8_t>(entry.bytes[i]);
      node.depth = static_cast<uint8_t>(i + 1);
      node.tokens_begin = static_cast<int32_t>(tokens_.size());
    }
    Node& last = nodes_[path.back()];
    if (last.num_tokens < std::numeric_limits<uint16_t>::max()) {
      ++last.num_tokens;
      tokens_.push_back(entry.token);
    }
    previous = entry.bytes;
  }
  close_to(0);
}

}  // namespace coterie

#include "router/grammar/byte_trie.h"

#include <algorithm>

#include "router/grammar/text_chars.h"

namespace coterie {

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  std::erase_if(entries, [](const Entry& entry) {
    return entry.bytes.empty() || entry.bytes.size() > kTrieDepthMax;
  });
  // As unsigned bytes, which string_view's own order is.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.bytes < b.bytes; });
  nodes_.clear();
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
      node.plain = (1 << kNumValueSyntaxes) - 1;
    }
    tokens_.push_back(entry.token);
    MarkPath(entry.bytes, path);
    previous = entry.bytes;
  }
  close_to(0);
  nodes_.emplace_back().tokens_begin = static_cast<int32_t>(tokens_.size());
}

void ByteTrie::MarkPath(absl::string_view bytes, std::span<const int32_t> path) {
  const bool is_text = NumChars(bytes) >= 0;
  for (int syntax = 0; syntax < kNumValueSyntaxes; ++syntax) {
    bool plain = true;
    for (size_t depth = bytes.size(); depth > 0; --depth) {
      // Between two characters, and none of those behind is special.
      const bool at_end = depth == bytes.size();
      const uint8_t next = at_end ? 0 : static_cast<uint8_t>(bytes[depth]);
      if (!at_end) plain = plain && is_text && IsPlainByte(static_cast<ValueSyntax>(syntax), next);
      const bool between = at_end || (next & 0xC0) != 0x80;
      if (!plain || !between) nodes_[path[depth - 1]].plain &= static_cast<uint8_t>(~(1 << syntax));
    }
  }
  for (size_t depth = 1; depth <= bytes.size(); ++depth) {
    uint8_t& height = nodes_[path[depth - 1]].height;
    height = std::max(height, static_cast<uint8_t>(bytes.size() - depth));
  }
}

}  // namespace coterie

#include "model/token_trie.h"

#include "kernels/check.h"

namespace coterie {
namespace {

uint64_t Edge(int32_t node, uint8_t byte) { return static_cast<uint64_t>(node) << 8 | byte; }

}  // namespace

TokenTrie::TokenTrie() { first_.fill(-1); }

void TokenTrie::Insert(absl::string_view spelling, int32_t value) {
  CHECK(!spelling.empty() && value >= 0);
  int32_t* link = &first_[static_cast<uint8_t>(spelling[0])];
  for (size_t i = 0;; ++i) {
    if (*link < 0) {
      *link = static_cast<int32_t>(values_.size());
      values_.push_back(-1);
    }
    if (i + 1 == spelling.size()) break;
    link = &children_.try_emplace(Edge(*link, static_cast<uint8_t>(spelling[i + 1])), -1)
                .first->second;
  }
  if (values_[*link] < 0) values_[*link] = value;
}

int32_t TokenTrie::Child(int32_t node, uint8_t byte) const {
  const auto found = children_.find(Edge(node, byte));
  return found == children_.end() ? -1 : found->second;
}

std::optional<TokenTrie::Match> TokenTrie::MatchAt(absl::string_view text, size_t begin) const {
  std::optional<Match> longest;
  int32_t node = first_[static_cast<uint8_t>(text[begin])];
  for (size_t end = begin + 1; node >= 0; ++end) {
    if (values_[node] >= 0) longest = Match{begin, end, values_[node]};
    node = end < text.size() ? Child(node, static_cast<uint8_t>(text[end])) : -1;
  }
  return longest;
}

std::optional<TokenTrie::Match> TokenTrie::Find(absl::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (first_[static_cast<uint8_t>(text[begin])] < 0) continue;
    if (const auto match = MatchAt(text, begin)) return match;
  }
  return std::nullopt;
}

}  // namespace coterie

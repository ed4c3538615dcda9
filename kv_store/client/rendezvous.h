// Which nodes an object belongs to, by rendezvous hashing: every client ranks the members for a key
// alike, knowing no more than their names. A member that joins or leaves moves the keys that it
// takes over or had, and no others.
#ifndef COTERIE_KV_STORE_CLIENT_RENDEZVOUS_H_
#define COTERIE_KV_STORE_CLIENT_RENDEZVOUS_H_

#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace coterie {

class Rendezvous {
 public:
  explicit Rendezvous(const std::vector<std::string>& members) {
    for (const std::string& member : members)
      seeds_.push_back(XXH3_64bits(member.data(), member.size()));
  }

  // The indices of the `count` members that rank highest for `key`, best first; all when there are
  // fewer.
  std::vector<size_t> Rank(absl::string_view key, size_t count) const {
    std::vector<std::pair<uint64_t, size_t>> scores;
    scores.reserve(seeds_.size());
    for (size_t i = 0; i < seeds_.size(); ++i)
      scores.emplace_back(XXH3_64bits_withSeed(key.data(), key.size(), seeds_[i]), i);
    const size_t kept = std::min(count, scores.size());
    std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(kept),
                      scores.end(), std::greater<>());
    std::vector<size_t> ranked(kept);
    for (size_t i = 0; i < kept; ++i) ranked[i] = scores[i].second;
    return ranked;
  }

 private:
  std::vector<uint64_t> seeds_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_RENDEZVOUS_H_

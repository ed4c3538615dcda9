// BlockKey: the name of a block of 64 tokens: a hash chained over its tokens, all before it, and
// the salt of whom it belongs to. Two contexts with one key have one content; the prefix index
// compares the tokens all the same.
#ifndef COTERIE_ROUTER_KV_BLOCK_KEY_H_
#define COTERIE_ROUTER_KV_BLOCK_KEY_H_

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/strings/string_view.h"
#include "kernels/kernels.h"

namespace coterie {

struct BlockKey {
  uint64_t low = 0, high = 0;

  friend bool operator==(const BlockKey&, const BlockKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const BlockKey& key) {
    return H::combine(std::move(state), key.low);
  }
};

// Where a chain begins.
inline BlockKey RootKey(absl::string_view salt) {
  const XXH128_hash_t hash = XXH3_128bits(salt.data(), salt.size());
  return {hash.low64, hash.high64};
}

// tokens: [kKvBlockTokens].
inline BlockKey ChildKey(const BlockKey& parent, std::span<const int32_t> tokens) {
  struct {
    BlockKey parent;
    std::array<int32_t, kKvBlockTokens> tokens;
  } named = {parent, {}};
  std::copy(tokens.begin(), tokens.end(), named.tokens.begin());
  const XXH128_hash_t hash = XXH3_128bits(&named, sizeof(named));
  return {hash.low64, hash.high64};
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_BLOCK_KEY_H_

// ChainMemory: which key came before which, as far as it was seen lately. A hint names the end of a
// context only, but the context's objects lie on several nodes; this knows them all. It forgets:
// what is lost is a hint.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_CHAIN_MEMORY_H_
#define COTERIE_KV_STORE_CLIENT_CHAIN_MEMORY_H_

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "kv_store/block_id.h"

namespace coterie {

class ChainMemory {
 public:
  explicit ChainMemory(size_t keys_max = size_t{1} << 18) : keys_max_(keys_max) {}

  void Learn(const ObjectKey& key, const ObjectKey& parent) {
    if (key == parent) return;
    std::lock_guard<std::mutex> lock(mu_);
    recent_[key] = parent;
    if (recent_.size() <= keys_max_ / 2) return;
    older_ = std::exchange(recent_, {});
  }

  // The context that ends at `leaf`, from its beginning, as far as it is known; `count` at most.
  std::vector<ObjectKey> Chain(const ObjectKey& leaf, size_t count) const {
    std::vector<ObjectKey> chain = {leaf};
    std::lock_guard<std::mutex> lock(mu_);
    while (chain.size() < count) {
      auto it = recent_.find(chain.back());
      if (it == recent_.end()) {
        it = older_.find(chain.back());
        if (it == older_.end()) break;
      }
      chain.push_back(it->second);
    }
    std::reverse(chain.begin(), chain.end());
    return chain;
  }

 private:
  const size_t keys_max_;

  mutable std::mutex mu_;  // guards what follows: two generations, of half the keys each
  absl::flat_hash_map<ObjectKey, ObjectKey> recent_, older_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_CHAIN_MEMORY_H_

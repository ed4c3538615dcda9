// StoreHint: when a context is expected back. It decides what is forgotten first.
#ifndef COTERIE_KV_STORE_HINT_H_
#define COTERIE_KV_STORE_HINT_H_

#include <cstdint>

namespace coterie {

enum class StoreHint : uint8_t {
  kNone = 0,   // nothing was said
  kSoon = 1,   // within half a minute or so: a tool runs
  kLater = 2,  // minutes or more
  kDone = 3,   // never
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_HINT_H_

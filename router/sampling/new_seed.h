// A seed for a request that names none.
#ifndef COTERIE_ROUTER_SAMPLING_NEW_SEED_H_
#define COTERIE_ROUTER_SAMPLING_NEW_SEED_H_

#include <cstdint>
#include <random>

namespace coterie {

inline uint64_t NewSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_SAMPLING_NEW_SEED_H_

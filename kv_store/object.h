// An object as a store holds it: bytes under a key, with a checksum that binds the two. Also how
// keys are written, on the wire and on disk alike (docs/kv_format.md).
#ifndef COTERIE_KV_STORE_OBJECT_H_
#define COTERIE_KV_STORE_OBJECT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/strings/string_view.h"
#include "kv_store/block_id.h"

namespace coterie {

// The id, the kind, the representation.
inline constexpr size_t kKeyBytes = 34;
inline constexpr size_t kObjectBytesMax = size_t{32} << 20;
inline constexpr size_t kTenantBytesMax = 64;
// Of one call.
inline constexpr size_t kKeysMax = 16384;

void AppendKey(const ObjectKey& key, std::string* bytes);
// bytes: [kKeyBytes]. Nothing when the kind is not one.
std::optional<ObjectKey> ReadKey(absl::string_view bytes);

// XXH3, 64 bits, of the payload, seeded with that of the key: a payload under another's name is
// as wrong as a damaged one.
uint64_t ObjectChecksum(const ObjectKey& key, std::span<const char> payload);
uint64_t ChecksumSeed(const ObjectKey& key);

struct ObjectName {
  ObjectKey key;
  ObjectKey parent;    // forgotten after it; equal to key: none
  std::string tenant;  // whose quota it counts against; kTenantBytesMax
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_OBJECT_H_

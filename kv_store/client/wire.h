// What both ends of kv.proto must agree on.
#ifndef COTERIE_KV_STORE_CLIENT_WIRE_H_
#define COTERIE_KV_STORE_CLIENT_WIRE_H_

#include <cstddef>
#include <cstdint>

#include "kv_store/object.h"

namespace coterie {

// Of frames, keys and checksums. Every call names it in its metadata; a node of another version
// refuses the call with UNIMPLEMENTED, and so is left alone.
inline constexpr uint32_t kWireVersion = 1;
inline constexpr char kVersionMetadata[] = "coterie-kv-version";

// Of a Get or Put whose payloads lie in shared memory: WINDOW.REGION, in decimal.
inline constexpr char kWindowMetadata[] = "coterie-kv-window";

inline constexpr char kGetMethod[] = "/coterie.v1.KvObjects/Get";
inline constexpr char kPutMethod[] = "/coterie.v1.KvObjects/Put";

// A payload and the fields before it.
inline constexpr int kFrameBytesMax = static_cast<int>(kObjectBytesMax) + (64 << 10);

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_WIRE_H_

#include "kv_store/object.h"

#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the widest instructions that there are
#endif

#include <algorithm>

namespace coterie {

void AppendKey(const ObjectKey& key, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(key.id.bytes.data()), key.id.bytes.size());
  bytes->push_back(static_cast<char>(key.kind));
  bytes->push_back(static_cast<char>(key.repr));
}

std::optional<ObjectKey> ReadKey(absl::string_view bytes) {
  if (bytes.size() != kKeyBytes) return std::nullopt;
  ObjectKey key;
  std::copy_n(bytes.begin(), key.id.bytes.size(), key.id.bytes.begin());
  const auto kind = static_cast<uint8_t>(bytes[32]);
  if (kind < static_cast<uint8_t>(BlockKind::kGlobal) ||
      kind > static_cast<uint8_t>(BlockKind::kCheckpoint)) {
    return std::nullopt;
  }
  key.kind = static_cast<BlockKind>(kind);
  key.repr = static_cast<uint8_t>(bytes[33]);
  return key;
}

uint64_t ObjectChecksum(const ObjectKey& key, std::span<const char> payload) {
  return XXH3_64bits_withSeed(payload.data(), payload.size(), ChecksumSeed(key));
}

uint64_t ChecksumSeed(const ObjectKey& key) {
  std::string name;
  AppendKey(key, &name);
  return XXH3_64bits(name.data(), name.size());
}

}  // namespace coterie

// Lists of keys and of bits as they travel: keys one after another, 34 bytes each; bits from the
// least significant of each byte.
#ifndef COTERIE_KV_STORE_CLIENT_KEY_LIST_H_
#define COTERIE_KV_STORE_CLIENT_KEY_LIST_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kv_store/block_id.h"

namespace coterie {

std::string WriteKeys(std::span<const ObjectKey> keys);
// InvalidArgument: not whole keys of known kinds, or more than kKeysMax.
absl::StatusOr<std::vector<ObjectKey>> ReadKeys(absl::string_view bytes);

std::string WriteBits(const std::vector<bool>& bits);
// InvalidArgument: not as many bytes as `count` bits take.
absl::StatusOr<std::vector<bool>> ReadBits(absl::string_view bytes, size_t count);

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_KEY_LIST_H_

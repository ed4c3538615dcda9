#include "kv_store/client/key_list.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "kv_store/object.h"

namespace coterie {

std::string WriteKeys(std::span<const ObjectKey> keys) {
  std::string bytes;
  bytes.reserve(keys.size() * kKeyBytes);
  for (const ObjectKey& key : keys) AppendKey(key, &bytes);
  return bytes;
}

absl::StatusOr<std::vector<ObjectKey>> ReadKeys(absl::string_view bytes) {
  if (bytes.size() % kKeyBytes != 0 || bytes.size() / kKeyBytes > kKeysMax) {
    return absl::InvalidArgumentError(absl::StrCat("keys: ", bytes.size(), " bytes; ", kKeyBytes,
                                                   " each, ", kKeysMax, " of them at most"));
  }
  std::vector<ObjectKey> keys;
  keys.reserve(bytes.size() / kKeyBytes);
  for (size_t at = 0; at < bytes.size(); at += kKeyBytes) {
    const std::optional<ObjectKey> key = ReadKey(bytes.substr(at, kKeyBytes));
    if (!key) {
      return absl::InvalidArgumentError(
          absl::StrCat("keys: the kind of key ", keys.size(), " is not known"));
    }
    keys.push_back(*key);
  }
  return keys;
}

std::string WriteBits(const std::vector<bool>& bits) {
  std::string bytes((bits.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) bytes[i / 8] = static_cast<char>(bytes[i / 8] | (1 << (i % 8)));
  }
  return bytes;
}

absl::StatusOr<std::vector<bool>> ReadBits(absl::string_view bytes, size_t count) {
  if (bytes.size() != (count + 7) / 8) {
    return absl::InvalidArgumentError(
        absl::StrCat(count, " bits are ", (count + 7) / 8, " bytes, not ", bytes.size()));
  }
  std::vector<bool> bits(count);
  for (size_t i = 0; i < count; ++i) bits[i] = (bytes[i / 8] >> (i % 8) & 1) != 0;
  return bits;
}

}  // namespace coterie

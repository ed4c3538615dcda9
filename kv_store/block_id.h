// BlockId: the name of a context that ends at a block border. A chain of SHA-256 over all its
// tokens, which begins at a root that names everything else that shapes keys and values: the model,
// the format, the tenant. Equal ids have equal content, so whoever wrote an object, its bytes are
// the right ones; a difference in anything is another id, and so a miss.
//
// ObjectKey: what a store keeps things under. One context has several objects: of each kind, and in
// each representation.
//
// docs/kv_format.md has the bytes and a worked example.
#ifndef COTERIE_KV_STORE_BLOCK_ID_H_
#define COTERIE_KV_STORE_BLOCK_ID_H_

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace coterie {

// Tokens of a block, in every kind.
inline constexpr size_t kStoreBlockTokens = 64;

struct BlockId {
  std::array<uint8_t, 32> bytes{};

  std::string Hex() const;
  // Of 64 hexadecimal digits; InvalidArgument otherwise.
  static absl::StatusOr<BlockId> FromHex(absl::string_view hex);

  friend bool operator==(const BlockId&, const BlockId&) = default;
  friend auto operator<=>(const BlockId&, const BlockId&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const BlockId& id) {
    uint64_t word;  // as good as all of it: the bytes are a hash
    std::memcpy(&word, id.bytes.data(), sizeof(word));
    return H::combine(std::move(state), word);
  }
};

// Where the chains of one model, format and tenant begin. `fields`, in this order: model digest,
// format and its version, whatever else shapes keys and values, the tenant's salt. Each is hashed
// with its length, so that no two lists of fields are alike.
BlockId RootId(std::span<const absl::string_view> fields);

// The context that goes on from `parent` with `tokens`: [kStoreBlockTokens].
BlockId ChildId(const BlockId& parent, std::span<const int32_t> tokens);

enum class BlockKind : uint8_t {
  kGlobal = 1,      // keys and values of the global layers
  kLocal = 2,       // of the sliding layers
  kCheckpoint = 3,  // which local blocks make up the window at this border
  kJournal = 4,     // a request's journal; not content-addressed, see BlockStore
};

struct ObjectKey {
  BlockId id;
  BlockKind kind = BlockKind::kGlobal;
  uint8_t repr = 0;  // how the payload is encoded; one that a reader does not know is a miss

  // Hex id, kind and repr: "…:1:1".
  std::string Text() const;

  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const ObjectKey& key) {
    return H::combine(std::move(state), key.id, key.kind, key.repr);
  }
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_BLOCK_ID_H_

// KvCodec: blocks of the cache as a store keeps them, and back. docs/kv_payload.md has the bytes.
//
// A global block goes without its keys: they are derived from the values (model/global_keys.h). For
// the 26B in bf16 that is 10,240 B a token instead of the 12,800 in memory. A local block, of the
// sliding layers, goes as it is: 12.5 MiB.
//
// A payload has no header. Its key says how it is encoded, and a form that this build does not know
// has another key: it is never found.
//
// Thread-safe: constant after construction.
#ifndef COTERIE_ROUTER_KV_KV_CODEC_H_
#define COTERIE_ROUTER_KV_KV_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "model/config.h"
#include "model/global_keys.h"
#include "model/weights.h"
#include "router/kv/kv_layout.h"

namespace coterie {

class KvCodec {
 public:
  // None is owned; all outlive this.
  KvCodec(const ModelConfig* config, const TrunkWeights* weights, const KvLayout* layout,
          KvType type);

  // How the numbers are written: the `repr` of an object's key.
  uint8_t repr() const { return type_ == KvType::kF32 ? 3 : 1; }
  // All payloads of a kind are of one length.
  int64_t global_bytes() const { return global_bytes_; }
  int64_t local_bytes() const { return layout_->sliding_block_bytes(); }

  // block: whole, of the group's pool.
  std::string EncodeGlobal(const std::byte* block) const;
  std::string EncodeLocal(const std::byte* block) const;
  // False when the payload has another length; the block is untouched then. A global block's 64
  // positions begin at `first_position`.
  bool DecodeGlobal(absl::string_view payload, int64_t first_position, std::byte* block) const;
  bool DecodeLocal(absl::string_view payload, std::byte* block) const;

 private:
  // The values of one global layer: where in a block, and how long.
  struct ValuesOf {
    int64_t layer;
    KvShape shape;
    int64_t layer_offset, values_offset, num_bytes;
  };

  const KvLayout* const layout_;
  const KvType type_;
  const GlobalKeys keys_;
  std::vector<ValuesOf> globals_;  // by layer
  int64_t global_bytes_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_CODEC_H_

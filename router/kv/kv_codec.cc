#include "router/kv/kv_codec.h"

#include <cstring>

#include "model/trunk.h"

namespace coterie {

KvCodec::KvCodec(const ModelConfig* config, const TrunkWeights* weights, const KvLayout* layout,
                 KvType type)
    : layout_(layout), type_(type), keys_(config, weights) {
  for (int64_t layer = 0; layer < layout->num_layers(); ++layer) {
    if (!layout->is_global(layer)) continue;
    const KvShape shape = Trunk::KvShapeOf(*config, layer, type);
    const int64_t positions = shape.num_kv_heads * kKvBlockTokens,
                  key_bytes = positions * shape.key_dim * shape.value_bytes(),
                  value_bytes = positions * shape.value_dim * shape.value_bytes();
    globals_.push_back({.layer = layer,
                        .shape = shape,
                        .layer_offset = layout->offset(layer),
                        .values_offset = layout->offset(layer) + key_bytes,
                        .num_bytes = value_bytes});
    global_bytes_ += value_bytes;
  }
}

std::string KvCodec::EncodeGlobal(const std::byte* block) const {
  std::string payload;
  payload.reserve(static_cast<size_t>(global_bytes_));
  for (const ValuesOf& values : globals_)
    payload.append(reinterpret_cast<const char*>(block + values.values_offset),
                   static_cast<size_t>(values.num_bytes));
  return payload;
}

std::string KvCodec::EncodeLocal(const std::byte* block) const {
  return std::string(reinterpret_cast<const char*>(block), static_cast<size_t>(local_bytes()));
}

bool KvCodec::DecodeGlobal(absl::string_view payload, int64_t first_position,
                           std::byte* block) const {
  if (static_cast<int64_t>(payload.size()) != global_bytes_) return false;
  if (globals_.empty()) return true;
  const GlobalKeys::Angles angles = keys_.AnglesAt(first_position);
  for (const ValuesOf& values : globals_) {
    std::memcpy(block + values.values_offset, payload.data(),
                static_cast<size_t>(values.num_bytes));
    keys_.Rebuild(values.layer, values.shape, angles, block + values.layer_offset);
    payload.remove_prefix(static_cast<size_t>(values.num_bytes));
  }
  return true;
}

bool KvCodec::DecodeLocal(absl::string_view payload, std::byte* block) const {
  if (static_cast<int64_t>(payload.size()) != local_bytes()) return false;
  std::memcpy(block, payload.data(), payload.size());
  return true;
}

}  // namespace coterie

#include "model/global_keys.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/check.h"
#include "kernels/half.h"

namespace coterie {
namespace {

// One position's value of one head as floats: exact, whatever the cache's type.
void ReadValue(KvType type, const std::byte* from, int64_t num_values, float* out) {
  if (type == KvType::kF32) {
    std::memcpy(out, from, static_cast<size_t>(num_values) * sizeof(float));
    return;
  }
  const auto* bits = reinterpret_cast<const uint16_t*>(from);
  for (int64_t i = 0; i < num_values; ++i) out[i] = BF16ToF32(bits[i]);
}

// A tensor has no constant kind; this one is only read.
Tensor View(const std::vector<float>& values, int64_t num_cols) {
  return Tensor(const_cast<float*>(values.data()), {kKvBlockTokens, num_cols});
}

}  // namespace

void CompactRotated(const float* head, int64_t half, int64_t pairs, float* out) {
  const size_t bytes = static_cast<size_t>(pairs) * sizeof(float);
  std::memmove(out, head, bytes);
  std::memmove(out + pairs, head + half, bytes);
}

void GlobalKey(const Tensor& value, std::span<const float> key_norm, const Tensor& cos,
               const Tensor& sin, const Tensor& scratch, float* out) {
  const int64_t head_dim = value.dim(1);
  Scale(value, key_norm, 1.0f, scratch);
  Rope(scratch, head_dim, cos, sin);
  CompactRotated(scratch.data(), head_dim / 2, cos.dim(1), out);
}

GlobalKeys::Angles GlobalKeys::AnglesAt(int64_t first_position) const {
  CHECK_EQ(first_position % kKvBlockTokens, 0);
  const auto global =
      std::find(config_->layer_is_global.begin(), config_->layer_is_global.end(), true);
  CHECK(global != config_->layer_is_global.end());
  const std::vector<float> frequencies =
      config_->InverseFrequencies(global - config_->layer_is_global.begin());
  std::vector<int64_t> positions(kKvBlockTokens);
  std::iota(positions.begin(), positions.end(), first_position);
  const auto pairs = static_cast<int64_t>(frequencies.size());
  Angles angles{.first_position = first_position,
                .cos = std::vector<float>(frequencies.size() * kKvBlockTokens),
                .sin = std::vector<float>(frequencies.size() * kKvBlockTokens)};
  RopeAngles(positions, frequencies, Tensor(angles.cos.data(), {kKvBlockTokens, pairs}),
             Tensor(angles.sin.data(), {kKvBlockTokens, pairs}));
  return angles;
}

void GlobalKeys::Rebuild(int64_t layer, const KvShape& shape, const Angles& angles,
                         std::byte* block) const {
  const LayerWeights& w = weights_->layers[static_cast<size_t>(layer)];
  const int64_t heads = shape.num_kv_heads, head_dim = shape.value_dim, key_dim = shape.key_dim;
  const std::byte* values = block + heads * kKvBlockTokens * key_dim * shape.value_bytes();
  std::vector<float> value(static_cast<size_t>(heads * head_dim)),
      key(static_cast<size_t>(heads * key_dim)), scratch(static_cast<size_t>(head_dim));
  const KvView view{.blocks = &block, .first_block = angles.first_position / kKvBlockTokens};
  const Tensor cos = View(angles.cos, key_dim / 2), sin = View(angles.sin, key_dim / 2);
  for (int64_t row = 0; row < kKvBlockTokens; ++row) {
    for (int64_t head = 0; head < heads; ++head) {
      float* const v = value.data() + head * head_dim;
      const int64_t at = head * kKvBlockTokens + row;
      ReadValue(shape.type, values + at * head_dim * shape.value_bytes(), head_dim, v);
      GlobalKey(Tensor(v, {1, head_dim}), w.key_norm, cos.Rows(row, 1), sin.Rows(row, 1),
                Tensor(scratch.data(), {1, head_dim}), key.data() + head * key_dim);
    }
    // The values are written too: the same bits, since they are rounded already.
    StoreKv(shape, view, angles.first_position + row, key.data(), value.data());
  }
}

}  // namespace coterie

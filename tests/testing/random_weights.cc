#include "tests/testing/random_weights.h"

#include <cstring>
#include <random>

#include "kernels/half.h"

namespace coterie {

std::vector<std::byte> RandomWeights(DType format, int64_t num_outputs, int64_t num_inputs,
                                     uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<std::byte> bytes(static_cast<size_t>(num_outputs * RowBytes(format, num_inputs)));
  const auto step = static_cast<size_t>(LayoutOf(format).block_bytes);
  for (size_t at = 0; at < bytes.size(); at += step) {
    for (size_t i = 0; i < step; ++i) bytes[at + i] = static_cast<std::byte>(rng());
    const float value = static_cast<float>(static_cast<int>(rng() % 2001) - 1000) / 1000.0f;
    const uint16_t half = F32ToF16(value * 0.01f),
                   plain16 = format == DType::kF16 ? F32ToF16(value) : F32ToBF16(value);
    if (format == DType::kF32) std::memcpy(&bytes[at], &value, 4);
    if (format == DType::kF16 || format == DType::kBF16) std::memcpy(&bytes[at], &plain16, 2);
    if (IsQuantised(format)) std::memcpy(&bytes[at + (format == DType::kQ6_K ? 208 : 0)], &half, 2);
  }
  return bytes;
}

}  // namespace coterie

#include "model/plain_rounding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace coterie {

double RoundToBf16(double value) {
  const uint32_t bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  return static_cast<double>(
      std::bit_cast<float>((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u));
}

void RoundToBf16(std::vector<double>* row) {
  for (double& v : *row) v = RoundToBf16(v);
}

void RoundToInt8(std::vector<double>* row) {
  for (auto begin = row->begin(); begin != row->end(); begin += 32) {
    float largest = 0;
    for (auto v = begin; v != begin + 32; ++v)
      largest = std::max(largest, std::fabs(static_cast<float>(*v)));
    const float step = largest / 127.0f, inverse = largest > 0 ? 127.0f / largest : 0.0f;
    for (auto v = begin; v != begin + 32; ++v)
      *v = static_cast<double>(step) *
           static_cast<double>(std::nearbyint(static_cast<float>(*v) * inverse));
  }
}

}  // namespace coterie

#include "model/plain_values.h"

#include <cmath>
#include <cstring>

namespace coterie {
namespace {

const uint8_t* Bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

// IEEE half, from its definition.
double Half(const uint8_t* p) {
  const int bits = p[0] | (p[1] << 8), exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  return exponent == 0 ? sign * std::ldexp(mantissa, -24)
                       : sign * std::ldexp(1024 + mantissa, exponent - 25);
}

double BrainFloat(const uint8_t* p) {
  const uint32_t bits = static_cast<uint32_t>(p[0] | (p[1] << 8)) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return static_cast<double>(value);
}

void AppendQ8Block(const uint8_t* block, std::vector<double>* out) {
  for (int i = 0; i < 32; ++i) out->push_back(Half(block) * static_cast<int8_t>(block[2 + i]));
}

void AppendQ4Block(const uint8_t* block, std::vector<double>* out) {
  for (int i = 0; i < 16; ++i) out->push_back(Half(block) * ((block[2 + i] & 15) - 8));
  for (int i = 0; i < 16; ++i) out->push_back(Half(block) * ((block[2 + i] >> 4) - 8));
}

void AppendQ6Block(const uint8_t* block, std::vector<double>* out) {
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, at = i % 32;
    const int low_byte = block[half * 64 + (quarter % 2) * 32 + at];
    const int low = quarter < 2 ? low_byte & 15 : low_byte >> 4;
    const int high = (block[128 + half * 32 + at] >> (2 * quarter)) & 3;
    const auto scale = static_cast<double>(static_cast<int8_t>(block[192 + i / 16]));
    out->push_back(Half(block + 208) * scale * ((low | (high << 4)) - 32));
  }
}

}  // namespace

std::vector<double> PlainValues(const RawMatrix& matrix) {
  std::vector<double> values;
  const uint8_t* bytes = Bytes(matrix.bytes.data());
  const auto step = static_cast<size_t>(LayoutOf(matrix.dtype).block_bytes);
  for (size_t at = 0; at < matrix.bytes.size(); at += step) {
    const uint8_t* block = bytes + at;
    float plain = 0;
    switch (matrix.dtype) {
      case DType::kF32:
        std::memcpy(&plain, block, 4);
        values.push_back(static_cast<double>(plain));
        break;
      case DType::kF16:
        values.push_back(Half(block));
        break;
      case DType::kBF16:
        values.push_back(BrainFloat(block));
        break;
      case DType::kQ8_0:
        AppendQ8Block(block, &values);
        break;
      case DType::kQ4_0:
        AppendQ4Block(block, &values);
        break;
      case DType::kQ6_K:
        AppendQ6Block(block, &values);
        break;
    }
  }
  return values;
}

}  // namespace coterie

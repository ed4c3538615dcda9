#include "kernels/pack/pack_rows.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/panel_layout.h"
#include "kernels/half.h"

namespace coterie {
namespace {

uint16_t LoadU16(const std::byte* p) {
  uint16_t value;
  std::memcpy(&value, p, 2);
  return value;
}

float LoadPlain(DType dtype, const std::byte* row, int64_t index) {
  if (dtype == DType::kF32) {
    float value;
    std::memcpy(&value, row + index * 4, 4);
    return value;
  }
  const uint16_t half = LoadU16(row + index * 2);
  return dtype == DType::kF16 ? F16ToF32(half) : BF16ToF32(half);
}

bool PackPlainLane(const PackJob& job, int lane) {
  const int64_t value_bytes = RowBytes(job.source, 1);
  bool finite = true;
  for (int64_t k = 0; k < job.num_inputs; ++k) {
    std::memcpy(job.panel + (k * 16 + lane) * value_bytes, job.rows[lane] + k * value_bytes,
                static_cast<size_t>(value_bytes));
    finite &= std::isfinite(LoadPlain(job.source, job.rows[lane], k));
  }
  return finite;
}

// A q8_0 block: f16 scale, 32 int8. The panel holds weight + 128, so that instructions for unsigned
// by signed bytes apply.
bool PackQ8Lane(const std::byte* row, int64_t num_inputs, int lane, std::byte* panel) {
  const PanelLayout layout{num_inputs};
  bool finite = true;
  for (int64_t b = 0; b < layout.num_groups(); ++b) {
    const std::byte* block = row + b * 34;
    std::byte* group = panel + b * PanelLayout::kQ8GroupBytes + lane * 4;
    for (int g = 0; g < 8; ++g) {
      uint32_t quad;
      std::memcpy(&quad, block + 2 + 4 * g, 4);
      quad ^= 0x80808080u;
      std::memcpy(group + g * 64, &quad, 4);
    }
    std::memcpy(panel + layout.q8_scales() + b * PanelLayout::kScaleBytes + lane * 2, block, 2);
    finite &= F16IsFinite(LoadU16(block));
  }
  return finite;
}

// A q4_0 block: f16 scale, 16 bytes; byte j holds inputs j (low nibble) and j + 16: four bytes are
// a panel quad as they are.
bool PackQ4Lane(const std::byte* row, int64_t num_inputs, int lane, std::byte* panel) {
  const PanelLayout layout{num_inputs};
  bool finite = true;
  for (int64_t b = 0; b < layout.num_groups(); ++b) {
    const std::byte* block = row + b * 18;
    std::byte* group = panel + b * PanelLayout::kQ4GroupBytes + lane * 4;
    for (int g = 0; g < 4; ++g) std::memcpy(group + g * 64, block + 2 + 4 * g, 4);
    std::memcpy(panel + layout.q4_scales() + b * PanelLayout::kScaleBytes + lane * 2, block, 2);
    finite &= F16IsFinite(LoadU16(block));
  }
  return finite;
}

// A q6_k block of 256: 128 bytes of low nibbles, 64 of high bits, 16 int8 scales, f16 scale.
void UnpackQ6Block(const std::byte* block, uint8_t q[256]) {
  const auto* low = reinterpret_cast<const uint8_t*>(block);
  const auto* high = low + 128;
  for (int half = 0; half < 2; ++half, low += 64, high += 32, q += 128) {
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<uint8_t>((low[i] & 0xf) | ((high[i] & 3) << 4));
      q[i + 32] = static_cast<uint8_t>((low[i + 32] & 0xf) | (((high[i] >> 2) & 3) << 4));
      q[i + 64] = static_cast<uint8_t>((low[i] >> 4) | (((high[i] >> 4) & 3) << 4));
      q[i + 96] = static_cast<uint8_t>((low[i + 32] >> 4) | ((high[i] >> 6) << 4));
    }
  }
}

// One group of 32 weights of one lane: quad g (inputs 4g … 4g+3) and quad g + 4 share the byte of
// their nibbles.
void PackQ6Group(const uint8_t* q, std::byte* group, int lane) {
  for (int j = 0; j < 4; ++j) {
    unsigned top_low = 0, top_high = 0;
    for (int g = 0; g < 4; ++g) {
      const uint8_t low = q[4 * g + j], high = q[16 + 4 * g + j];
      group[g * 64 + lane * 4 + j] = static_cast<std::byte>((low & 0xf) | ((high & 0xf) << 4));
      top_low |= static_cast<unsigned>(low >> 4) << (2 * g);
      top_high |= static_cast<unsigned>(high >> 4) << (2 * g);
    }
    group[256 + lane * 4 + j] = static_cast<std::byte>(top_low);
    group[320 + lane * 4 + j] = static_cast<std::byte>(top_high);
  }
}

bool PackQ6Lane(const std::byte* row, int64_t num_inputs, int lane, std::byte* panel) {
  const PanelLayout layout{num_inputs};
  bool finite = true;
  for (int64_t block_index = 0; block_index < num_inputs / 256; ++block_index) {
    const std::byte* block = row + block_index * 210;
    uint8_t q[256];
    UnpackQ6Block(block, q);
    for (int g = 0; g < 8; ++g)
      PackQ6Group(q + 32 * g, panel + (block_index * 8 + g) * PanelLayout::kQ6GroupBytes, lane);
    for (int s = 0; s < 16; ++s)
      panel[layout.q6_sub_scales() + (block_index * 16 + s) * 16 + lane] = block[192 + s];
    std::memcpy(panel + layout.q6_scales() + block_index * PanelLayout::kScaleBytes + lane * 2,
                block + 208, 2);
    finite &= F16IsFinite(LoadU16(block + 208));
  }
  return finite;
}

bool PackBlockLane(DType format, const std::byte* row, int64_t num_inputs, int lane,
                   std::byte* panel) {
  switch (format) {
    case DType::kQ8_0:
      return PackQ8Lane(row, num_inputs, lane, panel);
    case DType::kQ4_0:
      return PackQ4Lane(row, num_inputs, lane, panel);
    default:
      return PackQ6Lane(row, num_inputs, lane, panel);
  }
}

bool QuantiseAndPackLane(const PackJob& job, int lane) {
  std::vector<float> values(static_cast<size_t>(job.num_inputs));
  for (int64_t k = 0; k < job.num_inputs; ++k)
    values[static_cast<size_t>(k)] = LoadPlain(job.source, job.rows[lane], k);
  std::vector<std::byte> blocks(static_cast<size_t>(RowBytes(job.format, job.num_inputs)));
  return QuantiseRow(job.format, values.data(), job.num_inputs, blocks.data()) &&
         PackBlockLane(job.format, blocks.data(), job.num_inputs, lane, job.panel);
}

// q8_0: scale = max|x| / 127, q = round half away from zero (x / scale).
void QuantiseQ8Block(const float* x, float largest, std::byte* out) {
  const float scale = largest / 127.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  const uint16_t half = F32ToF16(scale);
  std::memcpy(out, &half, 2);
  for (int i = 0; i < 32; ++i)
    out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

// q4_0: scale = (the value of largest magnitude, with its sign) / -8, q = trunc(x / scale + 8.5) up
// to 15.
void QuantiseQ4Block(const float* x, float signed_largest, std::byte* out) {
  const float scale = signed_largest / -8.0f;
  const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  const uint16_t half = F32ToF16(scale);
  std::memcpy(out, &half, 2);
  for (int i = 0; i < 16; ++i) {
    const int low = static_cast<int>(x[i] * inverse + 8.5f),
              high = static_cast<int>(x[i + 16] * inverse + 8.5f);
    out[2 + i] = static_cast<std::byte>((low < 15 ? low : 15) | ((high < 15 ? high : 15) << 4));
  }
}

}  // namespace

bool QuantiseRow(DType format, const float* row, int64_t num_values, std::byte* out) {
  const DTypeLayout layout = LayoutOf(format);
  for (int64_t i = 0; i < num_values; i += 32, out += layout.block_bytes) {
    float signed_largest = 0.0f;
    for (int j = 0; j < 32; ++j) {
      if (!std::isfinite(row[i + j])) return false;
      if (std::fabs(row[i + j]) > std::fabs(signed_largest)) signed_largest = row[i + j];
    }
    if (format == DType::kQ8_0) {
      QuantiseQ8Block(row + i, std::fabs(signed_largest), out);
    } else {
      CHECK(format == DType::kQ4_0) << DTypeName(format);
      QuantiseQ4Block(row + i, signed_largest, out);
    }
    if (!F16IsFinite(LoadU16(out))) return false;
  }
  return true;
}

int PackPanel(const PackJob& job) {
  for (int lane = 0; lane < 16; ++lane) {
    if (job.rows[lane] == nullptr) continue;
    bool good;
    if (job.source != job.format) {
      good = QuantiseAndPackLane(job, lane);
    } else if (IsQuantised(job.format)) {
      good = PackBlockLane(job.format, job.rows[lane], job.num_inputs, lane, job.panel);
    } else {
      good = PackPlainLane(job, lane);
    }
    if (!good) return lane;
  }
  return -1;
}

namespace {

void UnpackQ6Lane(const std::byte* panel, int64_t num_inputs, int lane, float* out) {
  const PanelLayout layout{num_inputs};
  for (int64_t k = 0; k < num_inputs; ++k) {
    const std::byte* group = panel + k / 32 * PanelLayout::kQ6GroupBytes;
    const int64_t within = k % 32, g = within % 16 / 4, j = within % 4;
    const bool high = within >= 16;
    const auto packed = static_cast<unsigned>(group[g * 64 + lane * 4 + j]);
    const auto top = static_cast<unsigned>(group[(high ? 320 : 256) + lane * 4 + j]);
    const unsigned q = (high ? packed >> 4 : packed & 0xf) | (((top >> (2 * g)) & 3) << 4);
    const auto sub = static_cast<int8_t>(panel[layout.q6_sub_scales() + k / 16 * 16 + lane]);
    const float scale = F16ToF32(
        LoadU16(panel + layout.q6_scales() + k / 256 * PanelLayout::kScaleBytes + lane * 2));
    out[k] = scale * static_cast<float>(sub * (static_cast<int>(q) - 32));
  }
}

void UnpackQ8Lane(const std::byte* panel, int64_t num_inputs, int lane, float* out) {
  const PanelLayout layout{num_inputs};
  for (int64_t k = 0; k < num_inputs; ++k) {
    const int64_t within = k % 32;
    const int q =
        static_cast<int>(
            panel[k / 32 * PanelLayout::kQ8GroupBytes + within / 4 * 64 + lane * 4 + within % 4]) -
        128;
    out[k] = F16ToF32(LoadU16(panel + layout.q8_scales() + k / 32 * PanelLayout::kScaleBytes +
                              lane * 2)) *
             static_cast<float>(q);
  }
}

void UnpackQ4Lane(const std::byte* panel, int64_t num_inputs, int lane, float* out) {
  const PanelLayout layout{num_inputs};
  for (int64_t k = 0; k < num_inputs; ++k) {
    const int64_t within = k % 32, quad = within % 16;
    const auto packed = static_cast<int>(
        panel[k / 32 * PanelLayout::kQ4GroupBytes + quad / 4 * 64 + lane * 4 + quad % 4]);
    const int q = (within < 16 ? packed & 0xf : packed >> 4) - 8;
    out[k] = F16ToF32(LoadU16(panel + layout.q4_scales() + k / 32 * PanelLayout::kScaleBytes +
                              lane * 2)) *
             static_cast<float>(q);
  }
}

}  // namespace

void UnpackLane(DType format, const std::byte* panel, int64_t num_inputs, int lane, float* out) {
  switch (format) {
    case DType::kQ8_0:
      return UnpackQ8Lane(panel, num_inputs, lane, out);
    case DType::kQ4_0:
      return UnpackQ4Lane(panel, num_inputs, lane, out);
    case DType::kQ6_K:
      return UnpackQ6Lane(panel, num_inputs, lane, out);
    default:
      for (int64_t k = 0; k < num_inputs; ++k) out[k] = LoadPlain(format, panel, k * 16 + lane);
  }
}

}  // namespace coterie

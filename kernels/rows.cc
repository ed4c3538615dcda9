#include "kernels/rows.h"

#include <cmath>
#include <cstring>

#include "kernels/cpu/bodies.h"

namespace coterie {

RowFormat RowFormatFor(DType weights) {
  switch (weights) {
    case DType::kF32:
      return RowFormat::kF32;
    case DType::kF16:
    case DType::kBF16:
      return RowFormat::kBF16;
    default:
      return RowFormat::kInt8;
  }
}

const char* RowFormatName(RowFormat format) {
  switch (format) {
    case RowFormat::kF32:
      return "f32";
    case RowFormat::kBF16:
      return "bf16";
    case RowFormat::kInt8:
      return "int8";
  }
  return "unknown";
}

int64_t EncodedRowBytes(RowFormat format, int64_t num_cols) {
  switch (format) {
    case RowFormat::kF32:
      return num_cols * 4;
    case RowFormat::kBF16:
      return num_cols * 2;
    case RowFormat::kInt8:
      CHECK_EQ(num_cols % kInt8GroupValues, 0);
      return num_cols + num_cols / kInt8GroupValues * 4;
  }
  CHECK(false) << "row format " << static_cast<int>(format);
  return 0;
}

void EncodeRow(RowFormat format, const float* row, int64_t num_cols, std::byte* out) {
  switch (format) {
    case RowFormat::kF32:
      std::memcpy(out, row, static_cast<size_t>(num_cols) * 4);
      return;
    case RowFormat::kBF16:
      Bodies().f32_to_bf16(row, num_cols, reinterpret_cast<uint16_t*>(out));
      return;
    case RowFormat::kInt8:
      Bodies().encode_int8(row, num_cols, reinterpret_cast<int8_t*>(out),
                           reinterpret_cast<float*>(out + num_cols));
      return;
  }
}

void DecodeRow(RowFormat format, const std::byte* row, int64_t num_cols, float* out) {
  switch (format) {
    case RowFormat::kF32:
      std::memcpy(out, row, static_cast<size_t>(num_cols) * 4);
      return;
    case RowFormat::kBF16:
      Bodies().bf16_to_f32(reinterpret_cast<const uint16_t*>(row), num_cols, out);
      return;
    case RowFormat::kInt8: {
      const auto* values = reinterpret_cast<const int8_t*>(row);
      const auto* scales = reinterpret_cast<const float*>(row + num_cols);
      for (int64_t i = 0; i < num_cols; ++i)
        out[i] = static_cast<float>(values[i]) * scales[i / kInt8GroupValues];
      return;
    }
  }
}

namespace {

// Four values at a time: an exponent of ones and nothing else carries into the sign's place.
bool BF16IsFinite(const std::byte* row, int64_t num_cols) {
  constexpr uint64_t kExponents = 0x7f80'7f80'7f80'7f80, kOnes = 0x0080'0080'0080'0080,
                     kSigns = 0x8000'8000'8000'8000;
  uint64_t carried = 0;
  int64_t i = 0;
  for (; i + 4 <= num_cols; i += 4) {
    uint64_t values;
    std::memcpy(&values, row + i * 2, sizeof(values));
    carried |= (values & kExponents) + kOnes;
  }
  bool finite = (carried & kSigns) == 0;
  for (; i < num_cols; ++i) {
    uint16_t value;
    std::memcpy(&value, row + i * 2, sizeof(value));
    finite &= (value & 0x7f80u) != 0x7f80u;
  }
  return finite;
}

}  // namespace

bool EncodedRowIsFinite(RowFormat format, const std::byte* row, int64_t num_cols) {
  if (format == RowFormat::kBF16) return BF16IsFinite(row, num_cols);
  bool finite = true;
  const bool int8 = format == RowFormat::kInt8;
  const auto* values = reinterpret_cast<const float*>(int8 ? row + num_cols : row);
  const int64_t count = int8 ? num_cols / kInt8GroupValues : num_cols;
  for (int64_t i = 0; i < count; ++i) finite &= std::isfinite(values[i]);
  return finite;
}

void EncodedRows::Resize(RowFormat format, int64_t num_rows, int64_t num_cols) {
  format_ = format;
  num_rows_ = num_rows;
  num_cols_ = num_cols;
  row_bytes_ = EncodedRowBytes(format, num_cols);
  buffer_.Reserve(static_cast<size_t>(num_rows_ * row_bytes_));
}

void EncodedRows::Encode(RowFormat format, const Tensor& x) {
  Resize(format, x.num_rows(), x.dim(1));
  for (int64_t r = 0; r < num_rows_; ++r) EncodeInto(r, x.row(r));
}

void EncodedRows::EncodeInto(int64_t index, const float* row) {
  CHECK(index >= 0 && index < num_rows_) << index;
  EncodeRow(format_, row, num_cols_, buffer_.data() + index * row_bytes_);
}

}  // namespace coterie

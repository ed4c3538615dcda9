// Encoded rows: activations in the form that a weight format consumes. The same bytes are the
// operand of the CPU kernels and what travels to an expert worker, so nobody encodes a row twice
// and a remote expert computes what a local one would.
//
//   kF32   num_cols floats                                         for f32 weights
//   kBF16  num_cols bf16, rounded to nearest even                  for bf16 and f16 weights
//   kInt8  num_cols int8, then num_cols/32 f32 scales              for q8_0, q4_0 and q6_k weights
//
// kInt8, per 32 values: scale = max|x| / 127, q = round-to-nearest-even(x * (127 / max|x|)); all
// zero gives scale 0.
#ifndef COTERIE_KERNELS_ROWS_H_
#define COTERIE_KERNELS_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/buffer.h"
#include "kernels/tensor.h"

namespace coterie {

enum class RowFormat : uint8_t { kF32 = 0, kBF16 = 1, kInt8 = 2 };

inline constexpr int kInt8GroupValues = 32;

RowFormat RowFormatFor(DType weights);
// Bytes of one row; kInt8 requires num_cols % 32 == 0.
int64_t EncodedRowBytes(RowFormat format, int64_t num_cols);
const char* RowFormatName(RowFormat format);

// out: EncodedRowBytes bytes, 4-byte aligned.
void EncodeRow(RowFormat format, const float* row, int64_t num_cols, std::byte* out);
void DecodeRow(RowFormat format, const std::byte* row, int64_t num_cols, float* out);
// False when a scale or value is NaN or infinite: what arrives from a peer is checked before it is
// computed with.
bool EncodedRowIsFinite(RowFormat format, const std::byte* row, int64_t num_cols);

// Rows encoded one after the other in an owned, reused buffer.
class EncodedRows {
 public:
  // x: [num_rows, num_cols] f32. Replaces what was held.
  void Encode(RowFormat format, const Tensor& x);
  // Makes room for rows that EncodeInto then fills, from several threads if they like.
  void Resize(RowFormat format, int64_t num_rows, int64_t num_cols);
  void EncodeInto(int64_t index, const float* row);

  RowFormat format() const { return format_; }
  int64_t num_rows() const { return num_rows_; }
  int64_t num_cols() const { return num_cols_; }
  int64_t row_bytes() const { return row_bytes_; }
  const std::byte* row(int64_t index) const { return buffer_.data() + index * row_bytes_; }

 private:
  Buffer buffer_;
  RowFormat format_ = RowFormat::kF32;
  int64_t num_rows_ = 0;
  int64_t num_cols_ = 0;
  int64_t row_bytes_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_ROWS_H_

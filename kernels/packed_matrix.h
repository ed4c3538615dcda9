// PackedMatrix: a weight matrix [num_outputs, num_inputs] repacked so that SIMD lanes are outputs.
//
// Sixteen outputs form a panel; within it the inputs run in order, so each output has one order of
// summation, the same for every instruction set, tile, thread count and batch. Layout of a panel,
// by format:
//   f32, bf16, f16: [num_inputs][16] values.
//
//   q8_0: [num_inputs/4][16][4] uint8, weight + 128; then [num_inputs/32][16] f16 scales.
//
//   q4_0: [num_inputs/32][4][16][4] bytes, weight + 8, low nibble input 4g+j of the group, high
//   nibble input 16+4g+j; then scales as q8_0.
//
//   q6_k: per 32 inputs 384 bytes: [4][16][4] bytes of two low nibbles as in q4_0, then [2][16][4]
//   bytes of the top bit pairs, weight + 32; then [num_inputs/16][16] int8 scales; then
//   [num_inputs/256][16] f16 scales.
//
// Panels start 64-byte aligned; outputs beyond num_outputs are zero.
//
// Thread rule: immutable after Pack; read by any number of threads.
#ifndef COTERIE_KERNELS_PACKED_MATRIX_H_
#define COTERIE_KERNELS_PACKED_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "kernels/buffer.h"
#include "kernels/parallel.h"
#include "kernels/rows.h"
#include "kernels/tensor.h"

namespace coterie {

inline constexpr int kPanelOutputs = 16;

class PackedMatrix {
 public:
  PackedMatrix() = default;

  // Repacks `source`. `format` is the source's own, or, for a plain source (f32, bf16, f16), kQ8_0
  // or kQ4_0: it is then quantised as GGUF's quantisers do. InvalidArgument: a NaN or infinite
  // weight or scale (names row and column), or num_cols not a multiple of the block. Bytes of
  // `source` are not needed afterwards.
  static absl::StatusOr<PackedMatrix> Pack(const RawMatrix& source, DType format, Parallel& pool);
  // The same of several sources stacked, the first on top (gate over up). Same dtype and num_cols.
  static absl::StatusOr<PackedMatrix> PackStacked(std::span<const RawMatrix> sources, DType format,
                                                  Parallel& pool);

  DType format() const { return format_; }
  RowFormat row_format() const { return RowFormatFor(format_); }
  int64_t num_outputs() const { return num_outputs_; }
  int64_t num_inputs() const { return num_inputs_; }
  int64_t num_panels() const { return (num_outputs_ + kPanelOutputs - 1) / kPanelOutputs; }
  int64_t panel_bytes() const { return panel_bytes_; }
  const std::byte* panel(int64_t index) const { return buffer_.data() + index * panel_bytes_; }
  size_t size_bytes() const { return buffer_.size_bytes(); }

  // The weights of one output as f32: an embedding row. out: num_inputs floats.
  void UnpackRow(int64_t output, float* out) const;

 private:
  Buffer buffer_;
  DType format_ = DType::kF32;
  int64_t num_outputs_ = 0;
  int64_t num_inputs_ = 0;
  int64_t panel_bytes_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_PACKED_MATRIX_H_

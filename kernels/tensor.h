// Tensor: a view of numbers in memory that knows its shape, strides, element type and device. It
// owns nothing.
//
// Thread rule: a value; the bytes behind it are the caller's.
#ifndef COTERIE_KERNELS_TENSOR_H_
#define COTERIE_KERNELS_TENSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "kernels/check.h"

namespace coterie {

// Element types of weights and activations. The block formats keep several values per block, as
// GGUF lays them out on disk.
enum class DType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ6_K };

// Values in one block (1 for plain types) and the bytes that the block takes on disk.
struct DTypeLayout {
  int block_values;
  int block_bytes;
};
DTypeLayout LayoutOf(DType dtype);
const char* DTypeName(DType dtype);  // "f32", "f16", "bf16", "q8_0", "q4_0", "q6_k"
inline bool IsQuantised(DType dtype) { return LayoutOf(dtype).block_values > 1; }

// Bytes of a row of `num_values`, which must be a multiple of the block.
int64_t RowBytes(DType dtype, int64_t num_values);

enum class Device : uint8_t { kCpu, kCuda };

// A view of up to three dimensions of f32 activations, outermost first; `stride` counts elements,
// and the innermost is 1.
//
//   Tensor x(buffer, {num_tokens, model_dim});   // [num_tokens, model_dim]
//   float* row = x.row(3);
class Tensor {
 public:
  Tensor() = default;
  // Two or three dimensions.
  Tensor(float* data, std::initializer_list<int64_t> shape);

  float* data() const { return data_; }
  int rank() const { return rank_; }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t stride(int axis) const { return stride_[axis]; }
  DType dtype() const { return DType::kF32; }
  Device device() const { return device_; }
  int64_t num_rows() const { return shape_[0]; }
  int64_t row_size() const { return stride_[0]; }  // values from one row to the next
  float* row(int64_t index) const { return data_ + index * stride_[0]; }
  std::span<float> row_span(int64_t index) const {
    return {row(index), static_cast<size_t>(stride_[0])};
  }
  // The first `num_rows` rows, or `num_rows` from `begin`.
  Tensor Rows(int64_t begin, int64_t num_rows) const;
  std::string DebugShape() const;  // "[7, 2816]"

 private:
  float* data_ = nullptr;
  std::array<int64_t, 3> shape_ = {0, 0, 0};
  std::array<int64_t, 3> stride_ = {0, 0, 0};
  int rank_ = 0;
  Device device_ = Device::kCpu;
};

// A weight matrix as a file holds it: row-major, `num_rows` rows of `num_cols` values each, in the
// block layout of `dtype`. The bytes are usually a memory-mapped file.
struct RawMatrix {
  DType dtype = DType::kF32;
  int64_t num_rows = 0;
  int64_t num_cols = 0;
  std::span<const std::byte> bytes;  // exactly num_rows * RowBytes(dtype, num_cols)
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_TENSOR_H_

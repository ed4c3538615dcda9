#include "kernels/tensor.h"

#include "absl/strings/str_cat.h"

namespace coterie {

DTypeLayout LayoutOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {1, 4};
    case DType::kF16:
    case DType::kBF16:
      return {1, 2};
    case DType::kQ8_0:
      return {32, 34};
    case DType::kQ4_0:
      return {32, 18};
    case DType::kQ6_K:
      return {256, 210};
  }
  CHECK(false) << "dtype " << static_cast<int>(dtype);
  return {1, 1};
}

const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kBF16:
      return "bf16";
    case DType::kQ8_0:
      return "q8_0";
    case DType::kQ4_0:
      return "q4_0";
    case DType::kQ6_K:
      return "q6_k";
  }
  return "unknown";
}

int64_t RowBytes(DType dtype, int64_t num_values) {
  const DTypeLayout layout = LayoutOf(dtype);
  CHECK_EQ(num_values % layout.block_values, 0) << DTypeName(dtype);
  return num_values / layout.block_values * layout.block_bytes;
}

Tensor::Tensor(float* data, std::initializer_list<int64_t> shape)
    : data_(data), shape_{0, 1, 1}, rank_(static_cast<int>(shape.size())) {
  CHECK(rank_ == 2 || rank_ == 3) << "a tensor has two or three dimensions, not " << rank_;
  int axis = 0;
  for (int64_t size : shape) {
    CHECK_GE(size, 0);
    shape_[axis++] = size;
  }
  stride_ = {shape_[1] * shape_[2], shape_[2], 1};
}

Tensor Tensor::Rows(int64_t begin, int64_t num_rows) const {
  CHECK(begin >= 0 && num_rows >= 0 && begin + num_rows <= shape_[0])
      << "rows [" << begin << ", " << begin + num_rows << ") of " << DebugShape();
  Tensor rows = *this;
  rows.data_ += begin * stride_[0];
  rows.shape_[0] = num_rows;
  return rows;
}

std::string Tensor::DebugShape() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis)
    absl::StrAppend(&text, axis == 0 ? "" : ", ", shape_[axis]);
  return text + "]";
}

}  // namespace coterie

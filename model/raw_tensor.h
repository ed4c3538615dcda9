// RawTensor: one tensor as a file's header lists it, judged: its bytes lie inside the file and are
// exactly its shape's.
#ifndef COTERIE_MODEL_RAW_TENSOR_H_
#define COTERIE_MODEL_RAW_TENSOR_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/tensor.h"

namespace coterie {

struct RawTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost first
  std::span<const std::byte> bytes;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_RAW_TENSOR_H_

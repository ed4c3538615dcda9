// Repacking sixteen rows of a weight file into one panel, and one lane of a panel back into f32.
// Block layouts of the quantised formats are GGUF's.
#ifndef COTERIE_KERNELS_PACK_PACK_ROWS_H_
#define COTERIE_KERNELS_PACK_PACK_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/tensor.h"

namespace coterie {

struct PackJob {
  DType source = DType::kF32;
  DType format = DType::kF32;
  int64_t num_inputs = 0;
  const std::byte* rows[16] = {};  // null: a lane beyond the last output, left zero
  std::byte* panel = nullptr;      // zeroed
};

// The first lane with a NaN, an infinity or a scale that overflows f16, or -1.
int PackPanel(const PackJob& job);

void UnpackLane(DType format, const std::byte* panel, int64_t num_inputs, int lane, float* out);

// GGUF's quantisers, one row; out: RowBytes(format, num_values). False: a value is not finite or a
// scale overflows f16.
bool QuantiseRow(DType format, const float* row, int64_t num_values, std::byte* out);

}  // namespace coterie

#endif  // COTERIE_KERNELS_PACK_PACK_ROWS_H_

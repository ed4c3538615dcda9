// The CPU bodies compiled for avx512. The order of the includes matters: each builds on what stands
// above it.
#define COTERIE_LANES avx512
// clang-format off
#include <cstddef>
#include "kernels/cpu/bodies.h"
#include "kernels/cpu/panel_layout.h"
#include "kernels/cpu/lanes_avx512.h"
#include "kernels/cpu/math_body.h"
#include "kernels/cpu/product_body.h"
#include "kernels/cpu/rowwise_body.h"
#include "kernels/cpu/attention_body.h"
#include "kernels/cpu/table_body.h"
// clang-format on

namespace coterie {

const KernelBodies kAvx512Bodies = avx512::MakeBodies();

}  // namespace coterie

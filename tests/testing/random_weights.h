// Random weights as a file holds them, for tests and benches of kernels.
#ifndef COTERIE_TESTS_TESTING_RANDOM_WEIGHTS_H_
#define COTERIE_TESTS_TESTING_RANDOM_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/tensor.h"

namespace coterie {

// [num_outputs, num_inputs] in the layout of `format`: random bytes, with scales (or, in plain
// formats, values) that keep products finite.
std::vector<std::byte> RandomWeights(DType format, int64_t num_outputs, int64_t num_inputs,
                                     uint32_t seed);

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_RANDOM_WEIGHTS_H_

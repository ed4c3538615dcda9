// What the engine rounds activations to, in plain loops: for the reference, which shares nothing
// with the kernels. The formulas are those of kernels/rows.h.
#ifndef COTERIE_MODEL_PLAIN_ROUNDING_H_
#define COTERIE_MODEL_PLAIN_ROUNDING_H_

#include <vector>

namespace coterie {

// To the nearest bf16, ties to even.
double RoundToBf16(double value);
void RoundToBf16(std::vector<double>* row);

// Groups of 32 to whole multiples of a 127th of their largest magnitude, ties to even. Requires: a
// multiple of 32 values.
void RoundToInt8(std::vector<double>* row);

}  // namespace coterie

#endif  // COTERIE_MODEL_PLAIN_ROUNDING_H_

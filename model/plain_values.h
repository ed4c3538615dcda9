// A tensor's values in double, straight from the block definitions of the file formats: for the
// reference, which shares nothing with the kernels.
#ifndef COTERIE_MODEL_PLAIN_VALUES_H_
#define COTERIE_MODEL_PLAIN_VALUES_H_

#include <vector>

#include "kernels/tensor.h"

namespace coterie {

std::vector<double> PlainValues(const RawMatrix& matrix);

}  // namespace coterie

#endif  // COTERIE_MODEL_PLAIN_VALUES_H_

// Which CPU bodies the kernels use. The best that this machine has is chosen at first use; all give
// the same bits.
#ifndef COTERIE_KERNELS_ISA_H_
#define COTERIE_KERNELS_ISA_H_

#include <vector>

namespace coterie {

enum class Isa { kPortable, kAvx2, kAvx512 };

const char* IsaName(Isa isa);      // "portable", "avx2", "avx512"
std::vector<Isa> SupportedIsas();  // on this machine, slowest first
Isa CurrentIsa();
// For tests and benches; must be supported. Not while kernels run.
void SetIsa(Isa isa);

}  // namespace coterie

#endif  // COTERIE_KERNELS_ISA_H_

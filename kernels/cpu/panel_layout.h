// Where things lie in a panel of a PackedMatrix: used by the packer and by the bodies, so that both
// agree.
#ifndef COTERIE_KERNELS_CPU_PANEL_LAYOUT_H_
#define COTERIE_KERNELS_CPU_PANEL_LAYOUT_H_

#include <cstdint>

namespace coterie {

// Byte offsets within a panel of sixteen outputs and `num_inputs` inputs.
struct PanelLayout {
  int64_t num_inputs;

  static constexpr int64_t kQ8GroupBytes = 512;  // [8][16][4]
  static constexpr int64_t kQ4GroupBytes = 256;  // [4][16][4]
  static constexpr int64_t kQ6GroupBytes =
      384;  // [4][16][4] low nibbles, then [2][16][4] of four 2-bit parts
  static constexpr int64_t kScaleBytes = 32;  // [16] f16

  int64_t num_groups() const { return num_inputs / 32; }
  int64_t q8_scales() const { return num_groups() * kQ8GroupBytes; }
  int64_t q8_bytes() const { return q8_scales() + num_groups() * kScaleBytes; }
  int64_t q4_scales() const { return num_groups() * kQ4GroupBytes; }
  int64_t q4_bytes() const { return q4_scales() + num_groups() * kScaleBytes; }
  int64_t q6_sub_scales() const {
    return num_groups() * kQ6GroupBytes;
  }                                                                   // [num_inputs/16][16] int8
  int64_t q6_scales() const { return q6_sub_scales() + num_inputs; }  // [num_inputs/256][16] f16
  int64_t q6_bytes() const { return q6_scales() + num_inputs / 256 * kScaleBytes; }
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_CPU_PANEL_LAYOUT_H_

// The table of CPU bodies: one per instruction set, filled by the same source compiled for each
// (bodies_*.cc). Signatures are plain pointers, and bodies call no inline function of a library, so
// that no code compiled for AVX-512 can be picked by the linker for a machine without it.
#ifndef COTERIE_KERNELS_CPU_BODIES_H_
#define COTERIE_KERNELS_CPU_BODIES_H_

#include <cstdint>

namespace coterie {

// Rows of one product, prepared: plain formats as f32 values; int8 rows with what each group's dot
// product starts from, to undo the offset that makes the weights unsigned.
struct PreparedRow {
  const void* values = nullptr;      // float[K], or int8[K] followed by float[K / 32]
  const int32_t* offsets = nullptr;  // int8 rows: [K / group], minus weight offset times Σ x
  float* out = nullptr;              // outputs of this row, from output 0
};

// Panels [panel_begin, panel_end) of a packed matrix times `num_rows` rows.
struct PanelProduct {
  const uint8_t* panels = nullptr;  // panel 0
  int64_t panel_bytes = 0;
  int64_t num_inputs = 0;
  int64_t num_outputs = 0;
  int64_t panel_begin = 0, panel_end = 0;
  const PreparedRow* rows = nullptr;
  int64_t num_rows = 0;
};

// One query row of one kv head's group over its cached past.
struct AttendGroup {
  const float* query = nullptr;        // [group, key_dim]
  const float* value_query = nullptr;  // [group, value_dim] or null
  const uint8_t* const* blocks = nullptr;
  int64_t first_block = 0;
  int64_t position = 0;
  int64_t first_visible = 0;  // lowest position seen
  int64_t kv_head = 0, num_kv_heads = 0;
  int64_t group = 0;  // query heads of this kv head
  int64_t key_dim = 0, value_dim = 0;
  float* out = nullptr;  // [group, value_dim]
};

struct KernelBodies {
  void (*product_f32)(const PanelProduct&);
  void (*product_f16)(const PanelProduct&);
  void (*product_bf16)(const PanelProduct&);
  void (*product_q8_0)(const PanelProduct&);
  void (*product_q4_0)(const PanelProduct&);
  void (*product_q6_k)(const PanelProduct&);
  void (*attend_f32)(const AttendGroup&);
  void (*attend_bf16)(const AttendGroup&);
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t n,
                   float* out);  // weight may be null
  void (*gated_gelu)(const float* gate, const float* up, int64_t n, float* out);
  void (*rope)(float* head, int64_t half, int64_t num_pairs, const float* cos, const float* sin);
  void (*add_scaled)(const float* a, const float* b, float scale, int64_t n, float* out);
  void (*scale)(const float* x, const float* weight, float scale, int64_t n,
                float* out);  // weight may be null
  void (*accumulate)(const float* x, float weight, int64_t n,
                     float* out);  // out = fma(weight, x, out)
  void (*soft_cap)(float* x, float cap, int64_t n);
  void (*exp)(float* x, int64_t n);
  void (*f32_to_bf16)(const float* x, int64_t n, uint16_t* out);
  void (*bf16_to_f32)(const uint16_t* x, int64_t n, float* out);
  void (*encode_int8)(const float* x, int64_t n, int8_t* out, float* scales);
  void (*int8_offsets)(const int8_t* x, int64_t n, int64_t group, int32_t weight_offset,
                       int32_t* offsets);
};

extern const KernelBodies kPortableBodies;
#if defined(__x86_64__)
extern const KernelBodies kAvx2Bodies;
extern const KernelBodies kAvx512Bodies;
#endif

// The bodies of CurrentIsa().
const KernelBodies& Bodies();

}  // namespace coterie

#endif  // COTERIE_KERNELS_CPU_BODIES_H_

// The table of this instruction set's bodies. Included last; no include guard, see product_body.h.

namespace coterie::COTERIE_LANES {
namespace {

constexpr KernelBodies MakeBodies() {
  return {
      .product_f32 = ProductPlain<F32Panel>,
      .product_f16 = ProductPlain<F16Panel>,
      .product_bf16 = ProductPlain<BF16Panel>,
      .product_q8_0 = ProductInt8<Q8>,
      .product_q4_0 = ProductInt8<Q4>,
      .product_q6_k = ProductInt8<Q6>,
      .attend_f32 = AttendGroupOf<KvF32>,
      .attend_bf16 = AttendGroupOf<KvBF16>,
      .rms_norm = RmsNormRow,
      .gated_gelu = GatedGeluRow,
      .rope = RopeHead,
      .add_scaled = AddScaledRow,
      .scale = ScaleRow,
      .accumulate = AccumulateRow,
      .soft_cap = SoftCapRow,
      .exp = ExpRow,
      .f32_to_bf16 = F32ToBF16Row,
      .bf16_to_f32 = BF16ToF32Row,
      .encode_int8 = EncodeInt8Row,
      .int8_offsets = Int8OffsetsRow,
  };
}

}  // namespace
}  // namespace coterie::COTERIE_LANES

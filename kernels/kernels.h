// The one list of operations over tensors. Each has one formula, one order of its sums, and bodies
// that agree to the bit: portable loops, AVX2+FMA and AVX-512 are the same source compiled three
// times over sixteen lanes (kernels/cpu/lanes.h), and the best one is chosen when the process
// starts (kernels/isa.h).
//
// Sums. "lane sum": lane j of sixteen adds elements j, j+16, j+32, … in order with fma; then lanes
// are added pairwise at distance 8, 4, 2, 1. "in order": one fma chain over the index. A row's
// result depends on that row alone.
//
// Requires: shapes as stated (checked), tensors on the CPU. Thread rule: a call uses the pool it is
// lent; two calls need two pools.
#ifndef COTERIE_KERNELS_KERNELS_H_
#define COTERIE_KERNELS_KERNELS_H_

#include <cstdint>
#include <span>

#include "kernels/packed_matrix.h"
#include "kernels/parallel.h"
#include "kernels/rows.h"
#include "kernels/tensor.h"

namespace coterie {

// out[t] = x[t] / sqrt(mean(x[t]²) + eps) ⊙ weight; no weight when it is empty. x, out: [num_rows,
// dim]; may be the same. Lane sum.
void RmsNorm(const Tensor& x, std::span<const float> weight, float eps, const Tensor& out);

// Norm of every head: x, out: [num_tokens, num_heads * head_dim] seen as rows of head_dim. weight:
// head_dim or empty.
void RmsNormHeads(const Tensor& x, int64_t head_dim, std::span<const float> weight, float eps,
                  const Tensor& out);

// One product: out row i = w · rows[i]. rows[i] points to an encoded row in w->row_format() with
// w->num_inputs() columns. out: row i starts at out + i * out_stride, w->num_outputs() values.
//   f32, bf16, f16: in order over inputs, acc = fma(w, x, acc).
//
//   q8_0, q4_0: in order over groups of 32, acc = fma(scale_x, scale_w * float(Σ q_w q_x), acc),
//   the inner sum exact in int32.
//
//   q6_k: in order over groups of 32, acc = fma(scale_x, d * float(s0 Σ0 + s1 Σ1), acc), the inner
//   sums over 16 exact in int32.
struct MatMulJob {
  const PackedMatrix* weights = nullptr;
  std::span<const std::byte* const> rows;
  float* out = nullptr;
  int64_t out_stride = 0;
};
// All products of `jobs` in one parallel region (q, k and v of a layer; the experts of a batch).
void MatMulGroup(std::span<const MatMulJob> jobs, Parallel& pool);

// out = x · wᵀ. x: [num_rows, num_inputs] encoded; out: [num_rows, num_outputs].
void MatMul(const EncodedRows& x, const PackedMatrix& weights, const Tensor& out, Parallel& pool);

// out[t, i] = gelu_tanh(gate_up[t, i]) * gate_up[t, size + i]; gelu_tanh(u) = 0.5 u (1 +
// tanh(√(2/π) (u + 0.044715 u³))). gate_up: [num_rows, 2 * size]; out: [num_rows, size].
void GatedGelu(const Tensor& gate_up, const Tensor& out);

// Half-split rotation of the first `num_pairs` pairs: dims i and i + head_dim/2 of every head by
// angle[i]; others pass through. x: [num_tokens, num_heads * head_dim] in place; cos, sin:
// [num_tokens, num_pairs].
void Rope(const Tensor& x, int64_t head_dim, const Tensor& cos, const Tensor& sin);

// cos/sin of position * inverse_frequency[i], the product rounded to f32 as the reference does.
// out: [positions, num_pairs].
void RopeAngles(std::span<const int64_t> positions, std::span<const float> inverse_frequency,
                const Tensor& cos, const Tensor& sin);

// out = a + b, or out = (a + b) * scale. Shapes equal; out may be a or b.
void Add(const Tensor& a, const Tensor& b, const Tensor& out);
void AddScaled(const Tensor& a, const Tensor& b, float scale, const Tensor& out);
// out[t] = x[t] ⊙ weight * scale. weight: [dim], or empty for none.
void Scale(const Tensor& x, std::span<const float> weight, float scale, const Tensor& out);

// out[t] = Σ_r weights[t, r] * rows[t * top_k + r], in rank order: acc = fma(weight, row, acc) from
// 0. rows: [num_tokens * top_k, dim]; weights: num_tokens * top_k; out: [num_tokens, dim].
void CombineExperts(const Tensor& rows, std::span<const float> weights, int64_t top_k,
                    const Tensor& out);

// x = cap * tanh(x / cap) in place.
void SoftCap(const Tensor& x, float cap);

// Chooses the top_k of each row and weighs them: p = softmax over the chosen logits (equal to
// renormalising the softmax over all), times per_expert_scale[e]. Ranks by logit descending, the
// lower expert first on ties. logits: [num_tokens, num_experts]. experts, weights: num_tokens *
// top_k.
void GateTopK(const Tensor& logits, std::span<const float> per_expert_scale, int64_t top_k,
              std::span<int32_t> experts, std::span<float> weights);

// Numbers of the KV cache.
enum class KvType : uint8_t { kF32, kBF16 };
inline constexpr int kKvBlockTokens = 64;

// One layer's cache shape. A block holds 64 positions: K [num_kv_heads][64][key_dim], then V
// [num_kv_heads][64][value_dim].
struct KvShape {
  KvType type = KvType::kF32;
  int64_t num_kv_heads = 0;
  int64_t key_dim = 0;
  int64_t value_dim = 0;

  int64_t value_bytes() const { return type == KvType::kF32 ? 4 : 2; }
  int64_t block_bytes() const {
    return num_kv_heads * kKvBlockTokens * (key_dim + value_dim) * value_bytes();
  }
};

// Where one row's past lies: blocks[i] holds positions [64 (first_block + i), 64 (first_block + i +
// 1)).
struct KvView {
  std::byte* const* blocks = nullptr;
  int64_t first_block = 0;
};

// Stores key [num_kv_heads * key_dim] and value [num_kv_heads * value_dim] of one position, rounded
// to the cache's type.
void StoreKv(const KvShape& shape, const KvView& view, int64_t position, const float* key,
             const float* value);
// Rounds to the cache's type and back: x in place.
void RoundToKv(KvType type, float* x, int64_t num_values);

// Scaled dot-product attention (scale 1) of one query row per entry over its cached past, its own
// position included.
//   score(j) = lane sum over key_dim of query·K[j], then continued (same lanes) over value_dim of
//   value_query·V[j] if given visible: 0 ≤ position − j < window (window 0: all j ≤ position)
// Blocks of 64 keys, aligned to absolute positions, are folded in order by online softmax; within a
// block in key order. Query head h reads kv head h / (num_heads / num_kv_heads).
struct AttentionArgs {
  KvShape shape;
  int64_t num_heads = 0;
  int64_t window = 0;
  Tensor query;                        // [num_rows, num_heads * key_dim]
  Tensor value_query;                  // [num_rows, num_heads * value_dim] or empty
  std::span<const int64_t> positions;  // one per row
  std::span<const KvView> views;       // one per row
  Tensor out;                          // [num_rows, num_heads * value_dim]
};
void Attention(const AttentionArgs& args, Parallel& pool);

}  // namespace coterie

#endif  // COTERIE_KERNELS_KERNELS_H_

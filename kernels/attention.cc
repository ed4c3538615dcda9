#include <cstring>

#include "kernels/cpu/bodies.h"
#include "kernels/half.h"
#include "kernels/kernels.h"

namespace coterie {
namespace {

// Rounds `num_values` to the cache's type at `out`.
void StoreRounded(KvType type, const float* x, int64_t num_values, std::byte* out) {
  if (type == KvType::kF32) {
    std::memcpy(out, x, static_cast<size_t>(num_values) * sizeof(float));
  } else {
    Bodies().f32_to_bf16(x, num_values, reinterpret_cast<uint16_t*>(out));
  }
}

}  // namespace

void StoreKv(const KvShape& shape, const KvView& view, int64_t position, const float* key,
             const float* value) {
  const int64_t block_index = position / kKvBlockTokens - view.first_block,
                row = position % kKvBlockTokens;
  CHECK_GE(block_index, 0);
  std::byte* block = view.blocks[block_index];
  std::byte* values =
      block + shape.num_kv_heads * kKvBlockTokens * shape.key_dim * shape.value_bytes();
  for (int64_t head = 0; head < shape.num_kv_heads; ++head) {
    const int64_t at = head * kKvBlockTokens + row;
    StoreRounded(shape.type, key + head * shape.key_dim, shape.key_dim,
                 block + at * shape.key_dim * shape.value_bytes());
    StoreRounded(shape.type, value + head * shape.value_dim, shape.value_dim,
                 values + at * shape.value_dim * shape.value_bytes());
  }
}

void RoundToKv(KvType type, float* x, int64_t num_values) {
  if (type == KvType::kF32) return;
  for (int64_t i = 0; i < num_values; ++i) x[i] = BF16ToF32(F32ToBF16(x[i]));
}

void Attention(const AttentionArgs& args, Parallel& pool) {
  const KvShape& shape = args.shape;
  const int64_t num_rows = args.query.num_rows(), group = args.num_heads / shape.num_kv_heads;
  CHECK_EQ(args.num_heads % shape.num_kv_heads, 0);
  CHECK_EQ(args.query.dim(1), args.num_heads * shape.key_dim);
  CHECK_EQ(args.out.dim(1), args.num_heads * shape.value_dim);
  CHECK_EQ(args.out.num_rows(), num_rows);
  CHECK(static_cast<int64_t>(args.positions.size()) == num_rows &&
        static_cast<int64_t>(args.views.size()) == num_rows);
  CHECK_EQ(shape.value_dim % 16, 0) << "a value is whole lanes";
  const bool folded = args.value_query.data() != nullptr;
  if (folded) CHECK_EQ(args.value_query.dim(1), args.num_heads * shape.value_dim);
  const auto attend = shape.type == KvType::kF32 ? Bodies().attend_f32 : Bodies().attend_bf16;
  pool.For(num_rows * shape.num_kv_heads, [&](int64_t task) {
    // Later rows see more keys: taking them first lets the threads end together.
    const int64_t row = num_rows - 1 - task / shape.num_kv_heads, head = task % shape.num_kv_heads;
    const int64_t position = args.positions[static_cast<size_t>(row)];
    const KvView& view = args.views[static_cast<size_t>(row)];
    attend({
        .query = args.query.row(row) + head * group * shape.key_dim,
        .value_query =
            folded ? args.value_query.row(row) + head * group * shape.value_dim : nullptr,
        .blocks = reinterpret_cast<const uint8_t* const*>(view.blocks),
        .first_block = view.first_block,
        .position = position,
        .first_visible =
            args.window > 0 && position >= args.window ? position - args.window + 1 : 0,
        .kv_head = head,
        .num_kv_heads = shape.num_kv_heads,
        .group = group,
        .key_dim = shape.key_dim,
        .value_dim = shape.value_dim,
        .out = args.out.row(row) + head * group * shape.value_dim,
    });
  });
}

}  // namespace coterie

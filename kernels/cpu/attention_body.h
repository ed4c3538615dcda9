// Attention of one query row over its cached past, for the query heads of one kv head. Included
// after math_body.h; no include guard, see product_body.h.
//
// Blocks of 64 keys are folded in order: m, l and the output are rescaled by e^(m - m') once a
// block. The heads of a group share every load of K and V.

namespace coterie::COTERIE_LANES {
namespace {

constexpr int kBlockKeys = 64;

struct KvF32 {
  using Type = float;
  LANES_INLINE F Load16(const float* p) { return Load(p); }
  LANES_INLINE F LoadLess(const float* p, int n) { return LoadSome(p, n); }
};
struct KvBF16 {
  using Type = uint16_t;
  LANES_INLINE F Load16(const uint16_t* p) { return LoadBF16(p); }
  LANES_INLINE F LoadLess(const uint16_t* p, int n) {
    uint16_t buffer[16] = {};
    for (int i = 0; i < n; ++i) buffer[i] = p[i];
    return LoadBF16(buffer);
  }
};

// sum[h] += lanes of query[h] · key, h in [0, kHeads).
template <typename Kv, int kHeads>
LANES_INLINE void DotLanes(const float* query, const typename Kv::Type* key, int64_t dim,
                           F sum[kHeads]) {
  int64_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    const F k = Kv::Load16(key + i);
    for (int h = 0; h < kHeads; ++h) sum[h] = Fma(Load(query + h * dim + i), k, sum[h]);
  }
  if (i < dim) {
    const int rest = static_cast<int>(dim - i);
    const F k = Kv::LoadLess(key + i, rest);
    for (int h = 0; h < kHeads; ++h) sum[h] = Fma(LoadSome(query + h * dim + i, rest), k, sum[h]);
  }
}

// out[h] = out[h] * rescale[h] + Σ_j weight[h][j] V[j], keys in order.
template <typename Kv, int kHeads, int kVectors>
LANES_INLINE void FoldValues(const typename Kv::Type* values, int64_t dim, int64_t at, int first,
                             int last, const float weight[][kBlockKeys], const float* rescale,
                             float* out) {
  F sum[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h) {
    for (int v = 0; v < kVectors; ++v)
      sum[h][v] = Mul(Load(out + h * dim + at + 16 * v), Set(rescale[h]));
  }
  for (int j = first; j <= last; ++j) {
    F value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = Kv::Load16(values + j * dim + at + 16 * v);
    for (int h = 0; h < kHeads; ++h) {
      const F w = Set(weight[h][j]);
      for (int v = 0; v < kVectors; ++v) sum[h][v] = Fma(w, value[v], sum[h][v]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int v = 0; v < kVectors; ++v) Store(out + h * dim + at + 16 * v, sum[h][v]);
  }
}

template <typename Kv, int kHeads>
void AttendHeads(const AttendGroup& a, const float* query, const float* value_query, float* out) {
  using Type = typename Kv::Type;
  const int64_t key_bytes_all =
      a.num_kv_heads * kBlockKeys * a.key_dim * static_cast<int64_t>(sizeof(Type));
  float highest[kHeads], total[kHeads], rescale[kHeads];
  alignas(64) float weight[kHeads][kBlockKeys];
  for (int h = 0; h < kHeads; ++h) highest[h] = total[h] = 0.0f;
  for (int64_t i = 0; i < kHeads * a.value_dim; ++i) out[i] = 0.0f;
  bool empty = true;
  for (int64_t block = a.first_visible / kBlockKeys; block <= a.position / kBlockKeys; ++block) {
    const uint8_t* data = a.blocks[block - a.first_block];
    const Type* keys = reinterpret_cast<const Type*>(data) + a.kv_head * kBlockKeys * a.key_dim;
    const Type* values =
        reinterpret_cast<const Type*>(data + key_bytes_all) + a.kv_head * kBlockKeys * a.value_dim;
    const int64_t start = block * kBlockKeys;
    const int first = static_cast<int>(a.first_visible > start ? a.first_visible - start : 0);
    const int last =
        static_cast<int>(a.position - start < kBlockKeys - 1 ? a.position - start : kBlockKeys - 1);
    for (int j = first; j <= last; ++j) {
      F sum[kHeads];
      for (int h = 0; h < kHeads; ++h) sum[h] = Zero();
      DotLanes<Kv, kHeads>(query, keys + j * a.key_dim, a.key_dim, sum);
      if (value_query != nullptr)
        DotLanes<Kv, kHeads>(value_query, values + j * a.value_dim, a.value_dim, sum);
      for (int h = 0; h < kHeads; ++h) weight[h][j] = SumLanes(sum[h]);
    }
    for (int h = 0; h < kHeads; ++h) {
      float top = empty ? weight[h][first] : highest[h];
      for (int j = first; j <= last; ++j) top = weight[h][j] > top ? weight[h][j] : top;
      float old = empty ? 0.0f : highest[h] - top;
      alignas(64) float old_exp[16];
      Store(old_exp, Exp(Set(old)));
      rescale[h] = empty ? 0.0f : old_exp[0];
      highest[h] = top;
      F lanes_total = Zero();
      for (int j = 0; j < kBlockKeys; ++j) {
        if (j < first || j > last) weight[h][j] = -1e30f;  // masked: set to zero below
      }
      for (int j = 0; j < kBlockKeys; j += 16) {
        Store(weight[h] + j, Exp(Sub(Load(weight[h] + j), Set(top))));
      }
      for (int j = 0; j < kBlockKeys; ++j) {
        if (j < first || j > last) weight[h][j] = 0.0f;
      }
      for (int j = 0; j < kBlockKeys; j += 16) lanes_total = Add(lanes_total, Load(weight[h] + j));
      total[h] = __builtin_fmaf(total[h], rescale[h], SumLanes(lanes_total));
    }
    constexpr int kVectors = kHeads >= 8 ? 1 : kHeads >= 4 ? 2 : 4;
    int64_t at = 0;
    for (; at + 16 * kVectors <= a.value_dim; at += 16 * kVectors) {
      FoldValues<Kv, kHeads, kVectors>(values, a.value_dim, at, first, last, weight, rescale, out);
    }
    for (; at < a.value_dim; at += 16)
      FoldValues<Kv, kHeads, 1>(values, a.value_dim, at, first, last, weight, rescale, out);
    empty = false;
  }
  for (int h = 0; h < kHeads; ++h) {
    const F inverse = Set(1.0f / total[h]);
    for (int64_t i = 0; i < a.value_dim; i += 16)
      Store(out + h * a.value_dim + i, Mul(Load(out + h * a.value_dim + i), inverse));
  }
}

template <typename Kv>
void AttendGroupOf(const AttendGroup& a) {
  int64_t h = 0;
  while (h < a.group) {
    const float* query = a.query + h * a.key_dim;
    const float* value_query = a.value_query == nullptr ? nullptr : a.value_query + h * a.value_dim;
    float* out = a.out + h * a.value_dim;
    const int64_t left = a.group - h;
    if (left >= 8) {
      AttendHeads<Kv, 8>(a, query, value_query, out);
      h += 8;
    } else if (left >= 4) {
      AttendHeads<Kv, 4>(a, query, value_query, out);
      h += 4;
    } else if (left >= 2) {
      AttendHeads<Kv, 2>(a, query, value_query, out);
      h += 2;
    } else {
      AttendHeads<Kv, 1>(a, query, value_query, out);
      h += 1;
    }
  }
}

}  // namespace
}  // namespace coterie::COTERIE_LANES

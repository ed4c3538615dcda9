// Panel products for each weight format. Compiled once per instruction set, after its lanes header,
// inside its namespace (COTERIE_LANES). No include guard: the three compilations are separate
// files.
//
// Every tile computes its outputs in the same order of sums as any other tile, so the tile's height
// is a matter of speed alone: eight rows reuse a group's unpacked weights eight times and fill the
// multiply pipes; f32 sums and weights fit 32 registers.

namespace coterie::COTERIE_LANES {
namespace {

constexpr int kTileRows = 8;

// Asks for the cache lines of [begin, begin + kBytes). A tile of several rows is too long for the
// processor to look past it to the next weights, and its own prefetcher lags: without this eight
// rows take twice as long. Beyond the last panel lies nothing that is read; asking does no harm.
template <int kBytes>
LANES_INLINE void Prefetch(const uint8_t* begin) {
  for (int line = 0; line < kBytes; line += 64) __builtin_prefetch(begin + line);
}
constexpr int64_t kPrefetchAhead = 4096;

LANES_INLINE void StoreOutputs(const PanelProduct& p, int64_t panel, float* out, F sum) {
  const int64_t first = panel * 16;
  if (first + 16 <= p.num_outputs) {
    Store(out + first, sum);
  } else {
    StoreSome(out + first, sum, static_cast<int>(p.num_outputs - first));
  }
}

struct F32Panel {
  static constexpr int kBytes = 4;
  LANES_INLINE F Load16(const uint8_t* p) { return Load(reinterpret_cast<const float*>(p)); }
};
struct F16Panel {
  static constexpr int kBytes = 2;
  LANES_INLINE F Load16(const uint8_t* p) { return LoadF16(reinterpret_cast<const uint16_t*>(p)); }
};
struct BF16Panel {
  static constexpr int kBytes = 2;
  LANES_INLINE F Load16(const uint8_t* p) { return LoadBF16(reinterpret_cast<const uint16_t*>(p)); }
};

// kRows rows times kPanels panels of plain weights.
template <typename Format, int kRows, int kPanels>
LANES_INLINE void PlainTile(const PanelProduct& p, const PreparedRow* rows, int64_t panel) {
  const uint8_t* weights[kPanels];
  const float* x[kRows];
  F sum[kRows][kPanels];
  for (int i = 0; i < kPanels; ++i) weights[i] = p.panels + (panel + i) * p.panel_bytes;
  for (int r = 0; r < kRows; ++r) {
    x[r] = static_cast<const float*>(rows[r].values);
    for (int i = 0; i < kPanels; ++i) sum[r][i] = Zero();
  }
  for (int64_t k = 0; k < p.num_inputs; ++k) {
    for (int i = 0; i < kPanels; ++i) {
      const F w = Format::Load16(weights[i] + k * 16 * Format::kBytes);
      for (int r = 0; r < kRows; ++r) sum[r][i] = Fma(w, Set(x[r][k]), sum[r][i]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < kPanels; ++i) StoreOutputs(p, panel + i, rows[r].out, sum[r][i]);
  }
}

// One row needs several panels at once: each output is one chain of dependent fma.
template <typename Format>
void ProductPlain(const PanelProduct& p) {
  int64_t panel = p.panel_begin;
  if (p.num_rows == 1) {
    for (; panel + 8 <= p.panel_end; panel += 8) PlainTile<Format, 1, 8>(p, p.rows, panel);
  }
  for (; panel < p.panel_end; ++panel) {
    int64_t r = 0;
    for (; r + kTileRows <= p.num_rows; r += kTileRows)
      PlainTile<Format, kTileRows, 1>(p, p.rows + r, panel);
    if (r + 4 <= p.num_rows) {
      PlainTile<Format, 4, 1>(p, p.rows + r, panel);
      r += 4;
    }
    if (r + 2 <= p.num_rows) {
      PlainTile<Format, 2, 1>(p, p.rows + r, panel);
      r += 2;
    }
    if (r < p.num_rows) PlainTile<Format, 1, 1>(p, p.rows + r, panel);
  }
}

// What a tile of int8 rows reads: values, scales and offsets of each row.
template <int kRows>
struct Int8Rows {
  const int8_t* q[kRows];
  const float* scale[kRows];
  const int32_t* offsets[kRows];

  LANES_INLINE Int8Rows From(const PanelProduct& p, const PreparedRow* rows) {
    Int8Rows t;
    for (int r = 0; r < kRows; ++r) {
      t.q[r] = static_cast<const int8_t*>(rows[r].values);
      t.scale[r] = reinterpret_cast<const float*>(t.q[r] + p.num_inputs);
      t.offsets[r] = rows[r].offsets;
    }
    return t;
  }
};

struct Q4 {
  template <int kRows, int kPanels>
  LANES_INLINE void Tile(const PanelProduct& p, const PreparedRow* rows, int64_t panel) {
    const PanelLayout layout{p.num_inputs};
    const auto x = Int8Rows<kRows>::From(p, rows);
    F sum[kRows][kPanels];
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kPanels; ++i) sum[r][i] = Zero();
    }
    const int64_t num_groups = layout.num_groups();
    for (int64_t b = 0; b < num_groups; ++b) {
      for (int i = 0; i < kPanels; ++i) {
        const uint8_t* weights = p.panels + (panel + i) * p.panel_bytes;
        Prefetch<PanelLayout::kQ4GroupBytes>(weights + b * PanelLayout::kQ4GroupBytes +
                                             kPrefetchAhead);
        U8 low[4], high[4];
        for (int g = 0; g < 4; ++g) {
          const U8 packed = LoadU8(weights + b * PanelLayout::kQ4GroupBytes + g * 64);
          low[g] = LowNibbles(packed);
          high[g] = HighNibbles(packed);
        }
        const F scale =
            LoadF16(reinterpret_cast<const uint16_t*>(weights + layout.q4_scales()) + b * 16);
        for (int r = 0; r < kRows; ++r) {
          const int8_t* q = x.q[r] + b * 32;
          I dot = SetI(x.offsets[r][b]);
          for (int g = 0; g < 4; ++g) dot = DotSmall(dot, low[g], BroadcastQuad(q + 4 * g));
          I dot_high = SetI(0);  // two chains: one alone waits for its own latency
          for (int g = 0; g < 4; ++g)
            dot_high = DotSmall(dot_high, high[g], BroadcastQuad(q + 16 + 4 * g));
          dot = AddI(dot, dot_high);
          sum[r][i] = Fma(Set(x.scale[r][b]), Mul(scale, ToF(dot)), sum[r][i]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kPanels; ++i) StoreOutputs(p, panel + i, rows[r].out, sum[r][i]);
    }
  }
};

struct Q8 {
  template <int kRows, int kPanels>
  LANES_INLINE void Tile(const PanelProduct& p, const PreparedRow* rows, int64_t panel) {
    const PanelLayout layout{p.num_inputs};
    const auto x = Int8Rows<kRows>::From(p, rows);
    F sum[kRows][kPanels];
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kPanels; ++i) sum[r][i] = Zero();
    }
    const int64_t num_groups = layout.num_groups();
    for (int64_t b = 0; b < num_groups; ++b) {
      for (int i = 0; i < kPanels; ++i) {
        const uint8_t* weights = p.panels + (panel + i) * p.panel_bytes;
        Prefetch<PanelLayout::kQ8GroupBytes>(weights + b * PanelLayout::kQ8GroupBytes +
                                             kPrefetchAhead);
        U8 group[8];
        for (int g = 0; g < 8; ++g)
          group[g] = LoadU8(weights + b * PanelLayout::kQ8GroupBytes + g * 64);
        const F scale =
            LoadF16(reinterpret_cast<const uint16_t*>(weights + layout.q8_scales()) + b * 16);
        for (int r = 0; r < kRows; ++r) {
          const int8_t* q = x.q[r] + b * 32;
          I dot = SetI(x.offsets[r][b]);
          I dot_high = SetI(0);
          for (int g = 0; g < 4; ++g) dot = Dot(dot, group[g], BroadcastQuad(q + 4 * g));
          for (int g = 4; g < 8; ++g) dot_high = Dot(dot_high, group[g], BroadcastQuad(q + 4 * g));
          dot = AddI(dot, dot_high);
          sum[r][i] = Fma(Set(x.scale[r][b]), Mul(scale, ToF(dot)), sum[r][i]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kPanels; ++i) StoreOutputs(p, panel + i, rows[r].out, sum[r][i]);
    }
  }
};

struct Q6 {
  // Weights of a group: w[g] holds inputs 4g … 4g+3 of each lane.
  LANES_INLINE void Unpack(const uint8_t* group, U8 w[8]) {
    const U8 top_low = LoadU8(group + 256), top_high = LoadU8(group + 320);
    UnpackPair<0>(group, top_low, top_high, w);
    UnpackPair<1>(group, top_low, top_high, w);
    UnpackPair<2>(group, top_low, top_high, w);
    UnpackPair<3>(group, top_low, top_high, w);
  }
  template <int g>
  LANES_INLINE void UnpackPair(const uint8_t* group, U8 top_low, U8 top_high, U8 w[8]) {
    const U8 packed = LoadU8(group + g * 64);
    w[g] = OrU8(LowNibbles(packed), TwoBitsAt4<g>(top_low));
    w[g + 4] = OrU8(HighNibbles(packed), TwoBitsAt4<g>(top_high));
  }

  template <int kRows, int kPanels>
  LANES_INLINE void Tile(const PanelProduct& p, const PreparedRow* rows, int64_t panel) {
    const PanelLayout layout{p.num_inputs};
    const auto x = Int8Rows<kRows>::From(p, rows);
    F sum[kRows][kPanels];
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kPanels; ++i) sum[r][i] = Zero();
    }
    const int64_t num_groups = layout.num_groups();
    for (int64_t b = 0; b < num_groups; ++b) {
      for (int i = 0; i < kPanels; ++i) {
        const uint8_t* weights = p.panels + (panel + i) * p.panel_bytes;
        Prefetch<PanelLayout::kQ6GroupBytes>(weights + b * PanelLayout::kQ6GroupBytes +
                                             kPrefetchAhead);
        U8 w[8];
        Unpack(weights + b * PanelLayout::kQ6GroupBytes, w);
        const F scale =
            LoadF16(reinterpret_cast<const uint16_t*>(weights + layout.q6_scales()) + b / 8 * 16);
        const int8_t* sub_scales =
            reinterpret_cast<const int8_t*>(weights + layout.q6_sub_scales());
        const I s0 = LoadI8(sub_scales + 2 * b * 16), s1 = LoadI8(sub_scales + (2 * b + 1) * 16);
        for (int r = 0; r < kRows; ++r) {
          const int8_t* q = x.q[r] + b * 32;
          I d0 = SetI(x.offsets[r][2 * b]), d1 = SetI(x.offsets[r][2 * b + 1]);
          for (int g = 0; g < 4; ++g) d0 = DotSmall(d0, w[g], BroadcastQuad(q + 4 * g));
          for (int g = 4; g < 8; ++g) d1 = DotSmall(d1, w[g], BroadcastQuad(q + 4 * g));
          const I dot = AddI(MulI(s0, d0), MulI(s1, d1));
          sum[r][i] = Fma(Set(x.scale[r][b]), Mul(scale, ToF(dot)), sum[r][i]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < kPanels; ++i) StoreOutputs(p, panel + i, rows[r].out, sum[r][i]);
    }
  }
};

// One row is bound by memory, which gives more to several streams than to one.
constexpr int kRowPanels = 2;

template <typename Format>
void ProductInt8(const PanelProduct& p) {
  int64_t panel = p.panel_begin;
  if (p.num_rows == 1) {
    for (; panel + kRowPanels <= p.panel_end; panel += kRowPanels)
      Format::template Tile<1, kRowPanels>(p, p.rows, panel);
  }
  for (; panel < p.panel_end; ++panel) {
    int64_t r = 0;
    for (; r + kTileRows <= p.num_rows; r += kTileRows)
      Format::template Tile<kTileRows, 1>(p, p.rows + r, panel);
    if (r + 4 <= p.num_rows) {
      Format::template Tile<4, 1>(p, p.rows + r, panel);
      r += 4;
    }
    if (r + 2 <= p.num_rows) {
      Format::template Tile<2, 1>(p, p.rows + r, panel);
      r += 2;
    }
    if (r < p.num_rows) Format::template Tile<1, 1>(p, p.rows + r, panel);
  }
}

}  // namespace
}  // namespace coterie::COTERIE_LANES

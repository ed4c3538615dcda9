// Operations on one row. Included after math_body.h; no include guard, see product_body.h.

namespace coterie::COTERIE_LANES {
namespace {

// Runs body(offset, count) over a row in steps of sixteen; the last may be shorter.
#define FOR_LANES(n) \
  for (int64_t i = 0, lanes = 0; i < (n) && ((lanes = (n)-i < 16 ? (n)-i : 16), true); i += 16)
#define LOAD(p) (lanes == 16 ? Load((p) + i) : LoadSome((p) + i, static_cast<int>(lanes)))
#define STORE(p, x) \
  (lanes == 16 ? Store((p) + i, (x)) : StoreSome((p) + i, (x), static_cast<int>(lanes)))

void RmsNormRow(const float* x, const float* weight, float eps, int64_t n, float* out) {
  F squares = Zero();
  FOR_LANES(n) {
    const F v = LOAD(x);
    squares = Fma(v, v, squares);
  }
  const float mean = SumLanes(squares) / static_cast<float>(n);
  // The last term is zero, or NaN where the squares overflowed: not a row of zeros.
  const F inverse = Set(1.0f / __builtin_sqrtf(mean + eps) + (mean - mean));
  FOR_LANES(n) {
    const F v = Mul(LOAD(x), inverse);
    STORE(out, weight == nullptr ? v : Mul(v, LOAD(weight)));
  }
}

void GatedGeluRow(const float* gate, const float* up, int64_t n, float* out) {
  FOR_LANES(n) STORE(out, Mul(GeluTanh(LOAD(gate)), LOAD(up)));
}

void RopeHead(float* head, int64_t half, int64_t n, const float* cos, const float* sin) {
  float* upper = head + half;
  FOR_LANES(n) {
    const F a = LOAD(head), b = LOAD(upper), c = LOAD(cos), s = LOAD(sin);
    STORE(head, Sub(Mul(a, c), Mul(b, s)));
    STORE(upper, Fma(b, c, Mul(a, s)));
  }
}

void AddScaledRow(const float* a, const float* b, float scale, int64_t n, float* out) {
  FOR_LANES(n) STORE(out, Mul(Add(LOAD(a), LOAD(b)), Set(scale)));
}

void ScaleRow(const float* x, const float* weight, float scale, int64_t n, float* out) {
  FOR_LANES(n) {
    const F v = weight == nullptr ? LOAD(x) : Mul(LOAD(x), LOAD(weight));
    STORE(out, Mul(v, Set(scale)));
  }
}

void AccumulateRow(const float* x, float weight, int64_t n, float* out) {
  FOR_LANES(n) STORE(out, Fma(Set(weight), LOAD(x), LOAD(out)));
}

void SoftCapRow(float* x, float cap, int64_t n) {
  FOR_LANES(n) STORE(x, Mul(Set(cap), Tanh(Div(LOAD(x), Set(cap)))));
}

void ExpRow(float* x, int64_t n) { FOR_LANES(n) STORE(x, Exp(LOAD(x))); }

void F32ToBF16Row(const float* x, int64_t n, uint16_t* out) {
  FOR_LANES(n) {
    uint16_t buffer[16];
    StoreBF16(buffer, LOAD(x));
    __builtin_memcpy(out + i, buffer, static_cast<size_t>(lanes) * 2);
  }
}

void BF16ToF32Row(const uint16_t* x, int64_t n, float* out) {
  FOR_LANES(n) {
    uint16_t buffer[16] = {};
    __builtin_memcpy(buffer, x + i, static_cast<size_t>(lanes) * 2);
    STORE(out, LoadBF16(buffer));
  }
}

// n is a multiple of 32. A NaN or infinity makes the scale NaN or infinite, which receivers refuse.
void EncodeInt8Row(const float* x, int64_t n, int8_t* out, float* scales) {
  for (int64_t i = 0; i < n; i += 32) {
    const F a = Load(x + i), b = Load(x + i + 16);
    const float largest = MaxLanes(Max(Abs(a), Abs(b)));
    const float all =
        SumLanes(Add(Mul(a, Zero()), Mul(b, Zero())));  // NaN if anything is not finite, else zero
    const F inverse = Set(largest > 0.0f ? 127.0f / largest : 0.0f);
    scales[i / 32] = largest / 127.0f + all;
    StoreI8(out + i, ToI(Mul(a, inverse)));
    StoreI8(out + i + 16, ToI(Mul(b, inverse)));
  }
}

void Int8OffsetsRow(const int8_t* x, int64_t n, int64_t group, int32_t weight_offset,
                    int32_t* offsets) {
  for (int64_t i = 0; i < n; i += group) {
    int32_t sum = 0;
    for (int64_t j = 0; j < group; j += 16) {
      for (int k = 0; k < 16; ++k) sum += x[i + j + k];
    }
    *offsets++ = -weight_offset * sum;
  }
}

}  // namespace
}  // namespace coterie::COTERIE_LANES

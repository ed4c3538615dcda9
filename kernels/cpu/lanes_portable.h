// Sixteen lanes as plain loops: the meaning of every lane operation, and what runs where there is
// neither AVX2 nor AVX-512. All three versions give the same bits: each is one IEEE operation a
// lane, and Fma is fused everywhere.
#ifndef COTERIE_KERNELS_CPU_LANES_PORTABLE_H_
#define COTERIE_KERNELS_CPU_LANES_PORTABLE_H_

#include <cstdint>

#include "kernels/half.h"

namespace coterie::portable {

#define LANES_INLINE static inline __attribute__((always_inline))
#define LANES_LOOP for (int i = 0; i < 16; ++i)

struct F {
  float v[16];
};
struct I {
  int32_t v[16];
};
struct U8 {
  uint8_t v[64];
};

LANES_INLINE F Set(float x) {
  F r;
  LANES_LOOP r.v[i] = x;
  return r;
}
LANES_INLINE F Zero() { return Set(0.0f); }
LANES_INLINE F LoadSome(const float* p, int n) {  // lanes from n on are zero
  F r;
  LANES_LOOP r.v[i] = i < n ? p[i] : 0.0f;
  return r;
}
LANES_INLINE F Load(const float* p) { return LoadSome(p, 16); }
LANES_INLINE void StoreSome(float* p, F x, int n) {
  for (int i = 0; i < n; ++i) p[i] = x.v[i];
}
LANES_INLINE void Store(float* p, F x) { StoreSome(p, x, 16); }
LANES_INLINE F LoadF16(const uint16_t* p) {
  F r;
  LANES_LOOP r.v[i] = F16ToF32(p[i]);
  return r;
}
LANES_INLINE F LoadBF16(const uint16_t* p) {
  F r;
  LANES_LOOP r.v[i] = BF16ToF32(p[i]);
  return r;
}
LANES_INLINE F Add(F a, F b) {
  LANES_LOOP a.v[i] += b.v[i];
  return a;
}
LANES_INLINE F Sub(F a, F b) {
  LANES_LOOP a.v[i] -= b.v[i];
  return a;
}
LANES_INLINE F Mul(F a, F b) {
  LANES_LOOP a.v[i] *= b.v[i];
  return a;
}
LANES_INLINE F Div(F a, F b) {
  LANES_LOOP a.v[i] /= b.v[i];
  return a;
}
LANES_INLINE F Fma(F a, F b, F c) {  // one rounding
  LANES_LOOP c.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return c;
}
LANES_INLINE F Max(F a, F b) {  // the second where one is NaN, as the x86 instruction
  LANES_LOOP a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
LANES_INLINE F Min(F a, F b) {
  LANES_LOOP a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
LANES_INLINE F Abs(F a) {
  LANES_LOOP a.v[i] = __builtin_fabsf(a.v[i]);
  return a;
}
LANES_INLINE F WithSignOf(F magnitude, F sign) {  // magnitude is not negative
  LANES_LOOP magnitude.v[i] = __builtin_copysignf(magnitude.v[i], sign.v[i]);
  return magnitude;
}
LANES_INLINE I SetI(int32_t x) {
  I r;
  LANES_LOOP r.v[i] = x;
  return r;
}
LANES_INLINE I AddI(I a, I b) {
  LANES_LOOP a.v[i] += b.v[i];
  return a;
}
LANES_INLINE I MulI(I a, I b) {
  LANES_LOOP a.v[i] *= b.v[i];
  return a;
}
LANES_INLINE I LoadI8(const int8_t* p) {
  I r;
  LANES_LOOP r.v[i] = p[i];
  return r;
}
LANES_INLINE F ToF(I a) {
  F r;
  LANES_LOOP r.v[i] = static_cast<float>(a.v[i]);
  return r;
}
LANES_INLINE I ToI(F a) {  // nearest, ties to even; |a| < 2^22, else (and for NaN) INT32_MIN as the
                           // x86 instruction
  I r;
  LANES_LOOP {
    const bool in_range = a.v[i] > -4194304.0f && a.v[i] < 4194304.0f;
    r.v[i] = in_range ? static_cast<int32_t>((a.v[i] + 12582912.0f) - 12582912.0f) : INT32_MIN;
  }
  return r;
}
LANES_INLINE F Pow2(I n) {  // 2^n for -126 ≤ n ≤ 127
  F r;
  LANES_LOOP r.v[i] = std::bit_cast<float>((static_cast<uint32_t>(n.v[i]) + 127u) << 23);
  return r;
}
LANES_INLINE void StoreI8(int8_t* p, I a) { LANES_LOOP p[i] = static_cast<int8_t>(a.v[i]); }
LANES_INLINE void StoreBF16(uint16_t* p, F x) { LANES_LOOP p[i] = F32ToBF16(x.v[i]); }
LANES_INLINE float SumLanes(F x) {
  for (int distance = 8; distance >= 1; distance /= 2) {
    for (int i = 0; i < distance; ++i) x.v[i] += x.v[i + distance];
  }
  return x.v[0];
}
LANES_INLINE float MaxLanes(F x) {
  for (int distance = 8; distance >= 1; distance /= 2) {
    for (int i = 0; i < distance; ++i)
      x.v[i] = x.v[i] > x.v[i + distance] ? x.v[i] : x.v[i + distance];
  }
  return x.v[0];
}

LANES_INLINE U8 LoadU8(const uint8_t* p) {
  U8 r;
  __builtin_memcpy(r.v, p, 64);
  return r;
}
LANES_INLINE U8 LowNibbles(U8 x) {
  for (uint8_t& b : x.v) b &= 0x0f;
  return x;
}
LANES_INLINE U8 HighNibbles(U8 x) {
  for (uint8_t& b : x.v) b = static_cast<uint8_t>(b >> 4);
  return x;
}
template <int g>
LANES_INLINE U8 TwoBitsAt4(U8 x) {  // bits 2g and 2g+1 of every byte, moved to bits 4 and 5
  for (uint8_t& b : x.v) b = static_cast<uint8_t>(((b >> (2 * g)) & 3) << 4);
  return x;
}
LANES_INLINE U8 OrU8(U8 a, U8 b) {
  for (int i = 0; i < 64; ++i) a.v[i] |= b.v[i];
  return a;
}
LANES_INLINE I BroadcastQuad(const int8_t* p) {  // four activations, for every lane
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return SetI(quad);
}
// acc[lane] += Σ_4 weights[lane][i] * x[i]; DotSmall: weights at most 63.
LANES_INLINE I Dot(I acc, U8 weights, I x) {
  int8_t quad[4];
  __builtin_memcpy(quad, &x.v[0], 4);
  LANES_LOOP {
    for (int j = 0; j < 4; ++j) acc.v[i] += static_cast<int32_t>(weights.v[4 * i + j]) * quad[j];
  }
  return acc;
}
LANES_INLINE I DotSmall(I acc, U8 weights, I x) { return Dot(acc, weights, x); }

}  // namespace coterie::portable

#endif  // COTERIE_KERNELS_CPU_LANES_PORTABLE_H_

// Sixteen lanes in two AVX2 registers. Included by bodies_avx2.cc alone; see lanes_portable.h for
// what each operation means.
#ifndef COTERIE_KERNELS_CPU_LANES_AVX2_H_
#define COTERIE_KERNELS_CPU_LANES_AVX2_H_

#include <immintrin.h>

#include <cstdint>

namespace coterie::avx2 {

#define LANES_INLINE static inline __attribute__((always_inline))

struct F {
  __m256 lo, hi;
};
struct I {
  __m256i lo, hi;
};
using U8 = I;

LANES_INLINE F Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
LANES_INLINE F Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
LANES_INLINE F Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LANES_INLINE void Store(float* p, F x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
LANES_INLINE F LoadSome(const float* p, int n) {
  float buffer[16] = {};
  for (int i = 0; i < n; ++i) buffer[i] = p[i];
  return Load(buffer);
}
LANES_INLINE void StoreSome(float* p, F x, int n) {
  float buffer[16];
  Store(buffer, x);
  for (int i = 0; i < n; ++i) p[i] = buffer[i];
}
LANES_INLINE __m128i Load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
LANES_INLINE F LoadF16(const uint16_t* p) {
  return {_mm256_cvtph_ps(Load128(p)), _mm256_cvtph_ps(Load128(p + 8))};
}
LANES_INLINE __m256 WidenBF16(const uint16_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(Load128(p)), 16));
}
LANES_INLINE F LoadBF16(const uint16_t* p) { return {WidenBF16(p), WidenBF16(p + 8)}; }
LANES_INLINE F Add(F a, F b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
LANES_INLINE F Sub(F a, F b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
LANES_INLINE F Mul(F a, F b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
LANES_INLINE F Div(F a, F b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
LANES_INLINE F Fma(F a, F b, F c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
LANES_INLINE F Max(F a, F b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
LANES_INLINE F Min(F a, F b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
LANES_INLINE F Abs(F a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
LANES_INLINE F WithSignOf(F magnitude, F sign) {
  const __m256 mask = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(magnitude.lo, _mm256_and_ps(sign.lo, mask)),
          _mm256_or_ps(magnitude.hi, _mm256_and_ps(sign.hi, mask))};
}
LANES_INLINE I SetI(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
LANES_INLINE I AddI(I a, I b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
LANES_INLINE I MulI(I a, I b) {
  return {_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)};
}
LANES_INLINE I LoadI8(const int8_t* p) {
  const __m128i bytes = Load128(p);
  return {_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
}
LANES_INLINE F ToF(I a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
LANES_INLINE I ToI(F a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
LANES_INLINE __m256 Pow2Half(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
LANES_INLINE F Pow2(I n) { return {Pow2Half(n.lo), Pow2Half(n.hi)}; }
LANES_INLINE void StoreI8(int8_t* p, I a) {
  int32_t buffer[16];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(buffer), a.lo);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(buffer + 8), a.hi);
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(buffer[i]);
}
LANES_INLINE __m256i RoundBF16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i top = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(
      _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, _mm256_or_si256(top, _mm256_set1_epi32(0x40)), nan);
}
LANES_INLINE void StoreBF16(uint16_t* p, F x) {
  const __m256i packed = _mm256_packus_epi32(RoundBF16(x.lo), RoundBF16(x.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}
LANES_INLINE float SumLanes(F x) {
  const __m256 eight = _mm256_add_ps(x.lo, x.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
LANES_INLINE float MaxLanes(F x) {
  const __m256 eight = _mm256_max_ps(x.lo, x.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

LANES_INLINE U8 LoadU8(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
LANES_INLINE U8 AndU8(U8 x, char mask) {
  const __m256i m = _mm256_set1_epi8(mask);
  return {_mm256_and_si256(x.lo, m), _mm256_and_si256(x.hi, m)};
}
LANES_INLINE U8 LowNibbles(U8 x) { return AndU8(x, 0x0f); }
LANES_INLINE U8 HighNibbles(U8 x) {
  return AndU8({_mm256_srli_epi16(x.lo, 4), _mm256_srli_epi16(x.hi, 4)}, 0x0f);
}
template <int g>
LANES_INLINE U8 TwoBitsAt4(U8 x) {
  if constexpr (g < 2) {
    return AndU8({_mm256_slli_epi16(x.lo, 4 - 2 * g), _mm256_slli_epi16(x.hi, 4 - 2 * g)}, 0x30);
  } else {
    return AndU8({_mm256_srli_epi16(x.lo, 2 * g - 4), _mm256_srli_epi16(x.hi, 2 * g - 4)}, 0x30);
  }
}
LANES_INLINE U8 OrU8(U8 a, U8 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
LANES_INLINE I BroadcastQuad(const int8_t* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return SetI(quad);
}
LANES_INLINE __m256i DotSmallHalf(__m256i acc, __m256i weights, __m256i x) {
  return _mm256_add_epi32(
      acc, _mm256_madd_epi16(_mm256_maddubs_epi16(weights, x), _mm256_set1_epi16(1)));
}
LANES_INLINE I DotSmall(I acc, U8 weights, I x) {
  return {DotSmallHalf(acc.lo, weights.lo, x.lo), DotSmallHalf(acc.hi, weights.hi, x.hi)};
}
// maddubs saturates at 16 bits, so weights up to 255 are split at bit 7: each part's pair of
// products stays within 32,767.
LANES_INLINE I Dot(I acc, U8 weights, I x) {
  return DotSmall(DotSmall(acc, AndU8(weights, 0x7f), x), AndU8(weights, static_cast<char>(0x80)),
                  x);
}

}  // namespace coterie::avx2

#endif  // COTERIE_KERNELS_CPU_LANES_AVX2_H_

// Sixteen lanes in one AVX-512 register. Included by bodies_avx512.cc alone, inside its own
// namespace; see lanes_portable.h for what each operation means.
#ifndef COTERIE_KERNELS_CPU_LANES_AVX512_H_
#define COTERIE_KERNELS_CPU_LANES_AVX512_H_

#include <immintrin.h>

#include <cstdint>

namespace coterie::avx512 {

#define LANES_INLINE static inline __attribute__((always_inline))

using F = __m512;
using I = __m512i;
using U8 = __m512i;

LANES_INLINE F Zero() { return _mm512_setzero_ps(); }
LANES_INLINE F Set(float x) { return _mm512_set1_ps(x); }
LANES_INLINE F Load(const float* p) { return _mm512_loadu_ps(p); }
LANES_INLINE void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
LANES_INLINE F LoadSome(const float* p, int n) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
}
LANES_INLINE void StoreSome(float* p, F x, int n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), x);
}
LANES_INLINE F LoadF16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
LANES_INLINE F LoadBF16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
LANES_INLINE F Add(F a, F b) { return _mm512_add_ps(a, b); }
LANES_INLINE F Sub(F a, F b) { return _mm512_sub_ps(a, b); }
LANES_INLINE F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
LANES_INLINE F Div(F a, F b) { return _mm512_div_ps(a, b); }
LANES_INLINE F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
LANES_INLINE F Max(F a, F b) { return _mm512_max_ps(a, b); }
LANES_INLINE F Min(F a, F b) { return _mm512_min_ps(a, b); }
LANES_INLINE F Abs(F a) { return _mm512_abs_ps(a); }
LANES_INLINE F WithSignOf(F magnitude, F sign) {
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(magnitude),
                                             _mm512_and_si512(_mm512_castps_si512(sign), mask)));
}
LANES_INLINE I SetI(int32_t x) { return _mm512_set1_epi32(x); }
LANES_INLINE I AddI(I a, I b) { return _mm512_add_epi32(a, b); }
LANES_INLINE I MulI(I a, I b) { return _mm512_mullo_epi32(a, b); }
LANES_INLINE I LoadI8(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
LANES_INLINE F ToF(I a) { return _mm512_cvtepi32_ps(a); }
LANES_INLINE I ToI(F a) { return _mm512_cvtps_epi32(a); }
LANES_INLINE F Pow2(I n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
LANES_INLINE void StoreI8(int8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}
LANES_INLINE void StoreBF16(uint16_t* p, F x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_srli_epi32(
      _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  rounded =
      _mm512_mask_or_epi32(rounded, nan, _mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(rounded));
}

// Adds lanes at distance 8, then 4, 2, 1.
LANES_INLINE float SumLanes(F x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
LANES_INLINE float MaxLanes(F x) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

LANES_INLINE U8 LoadU8(const uint8_t* p) { return _mm512_loadu_si512(p); }
LANES_INLINE U8 LowNibbles(U8 x) { return _mm512_and_si512(x, _mm512_set1_epi8(0x0f)); }
LANES_INLINE U8 HighNibbles(U8 x) {
  return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(0x0f));
}
// Bits 2g and 2g+1 of every byte, moved to bits 4 and 5.
template <int g>
LANES_INLINE U8 TwoBitsAt4(U8 x) {
  if constexpr (g < 2) {
    return _mm512_and_si512(_mm512_slli_epi16(x, 4 - 2 * g), _mm512_set1_epi8(0x30));
  } else {
    return _mm512_and_si512(_mm512_srli_epi16(x, 2 * g - 4), _mm512_set1_epi8(0x30));
  }
}
LANES_INLINE U8 OrU8(U8 a, U8 b) { return _mm512_or_si512(a, b); }
LANES_INLINE I BroadcastQuad(const int8_t* p) {
  int32_t quad;
  __builtin_memcpy(&quad, p, 4);
  return _mm512_set1_epi32(quad);
}
// acc[lane] += Σ_4 weights[lane][i] * x[i]; DotSmall: weights at most 63.
LANES_INLINE I Dot(I acc, U8 weights, I x) { return _mm512_dpbusd_epi32(acc, weights, x); }
LANES_INLINE I DotSmall(I acc, U8 weights, I x) { return _mm512_dpbusd_epi32(acc, weights, x); }

}  // namespace coterie::avx512

#endif  // COTERIE_KERNELS_CPU_LANES_AVX512_H_

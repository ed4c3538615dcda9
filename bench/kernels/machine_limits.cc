#include "bench/kernels/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/buffer.h"
#include "kernels/isa.h"
#include "kernels/parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace coterie {
namespace {

// Results go here so that the work is not optimised away.
std::atomic<uint64_t> g_sink{0};

// Work done by all threads, divided by the median time of five rounds after a warm-up.
double Rate(int num_threads, double work, absl::FunctionRef<void(int64_t thread)> body) {
  Parallel pool(num_threads);
  std::vector<double> seconds;
  for (int round = 0; round < 6; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.For(num_threads, body);
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  seconds.erase(seconds.begin());
  std::sort(seconds.begin(), seconds.end());
  return work / seconds[seconds.size() / 2];
}

uint64_t ReadPortable(const uint64_t* data, size_t count) {
  uint64_t sum[8] = {};
  for (size_t i = 0; i + 8 <= count; i += 8) {
    for (size_t j = 0; j < 8; ++j) sum[j] ^= data[i + j];
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

constexpr int64_t kRounds = 20'000'000;
constexpr int64_t kPortableRounds = kRounds / 16;
// Enough independent chains to hide the latency of a multiply-add.
constexpr int kChains = 16;

float FmaPortable() {
  float sum[16 * 4] = {};
  for (int64_t i = 0; i < kPortableRounds; ++i) {
    for (float& s : sum) s = s * 0.5f + 1.0f;
  }
  float all = 0;
  for (float s : sum) all += s;
  return all;
}

int32_t MultiplyInt8Portable() {
  int32_t sum[64] = {};
  for (int64_t i = 0; i < kPortableRounds; ++i) {
    for (int j = 0; j < 64; ++j) sum[j] += static_cast<int8_t>(i) * static_cast<int8_t>(j);
  }
  int32_t all = 0;
  for (int32_t s : sum) all ^= s;
  return all;
}

#if defined(__x86_64__)

#define COTERIE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define COTERIE_AVX2 __attribute__((target("avx2,fma")))

// Eight streams at once: one alone does not keep enough lines under way.
COTERIE_AVX512 uint64_t ReadAvx512(const uint64_t* data, size_t count) {
  constexpr size_t kStreams = 8;
  const size_t words = count / kStreams / 8 * 8;
  __m512i sum[kStreams];
  for (__m512i& s : sum) s = _mm512_setzero_si512();
  for (size_t i = 0; i < words; i += 8) {
    for (size_t j = 0; j < kStreams; ++j)
      sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(data + j * words + i));
  }
  for (size_t j = 1; j < kStreams; ++j) sum[0] = _mm512_xor_si512(sum[0], sum[j]);
  alignas(64) uint64_t all[8];
  _mm512_store_si512(all, sum[0]);
  return all[0] ^ all[7];
}

COTERIE_AVX512 float FmaAvx512() {
  __m512 sum[kChains];
  for (__m512& s : sum) s = _mm512_setzero_ps();
  const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (int j = 0; j < kChains; ++j) sum[j] = _mm512_fmadd_ps(sum[j], half, one);
  }
  for (int j = 1; j < kChains; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  alignas(64) float all[16];
  _mm512_store_ps(all, sum[0]);
  return all[0] + all[15];
}

COTERIE_AVX512 int32_t MultiplyInt8Avx512() {
  __m512i sum[kChains];
  for (__m512i& s : sum) s = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(5);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (int j = 0; j < kChains; ++j) sum[j] = _mm512_dpbusd_epi32(sum[j], x, y);
  }
  for (int j = 1; j < kChains; ++j) sum[0] = _mm512_add_epi32(sum[0], sum[j]);
  alignas(64) int32_t all[16];
  _mm512_store_si512(all, sum[0]);
  return all[0] ^ all[15];
}

COTERIE_AVX2 float FmaAvx2() {
  __m256 sum[kChains - 4];
  for (__m256& s : sum) s = _mm256_setzero_ps();
  const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (__m256& s : sum) s = _mm256_fmadd_ps(s, half, one);
  }
  float all[8], total = 0;
  for (const __m256& s : sum) {
    _mm256_storeu_ps(all, s);
    for (float value : all) total += value;
  }
  return total;
}

COTERIE_AVX2 int32_t MultiplyInt8Avx2() {
  __m256i sum[kChains - 4];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  __m256i x = _mm256_set1_epi8(3);
  const __m256i y = _mm256_set1_epi8(5), ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (__m256i& s : sum) {
      asm volatile("" : "+x"(x));  // the product is not computed once for all
      s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), ones));
    }
  }
  int32_t all[8], total = 0;
  for (const __m256i& s : sum) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(all), s);
    for (int32_t value : all) total ^= value;
  }
  return total;
}

#endif  // __x86_64__

}  // namespace

double MeasureReadBandwidth(int num_threads) {
  constexpr size_t kBytes = size_t{1} << 30;
  const Buffer buffer(kBytes);
  // Every page is written once: untouched ones are all the same zero page.
  for (size_t at = 0; at < kBytes; at += 4096) buffer.data()[at] = std::byte{1};
  const size_t words = kBytes / 8 / static_cast<size_t>(num_threads) / 64 * 64;
  return Rate(num_threads, static_cast<double>(words * 8) * num_threads, [&](int64_t thread) {
    const uint64_t* begin = buffer.as<uint64_t>() + static_cast<size_t>(thread) * words;
#if defined(__x86_64__)
    if (CurrentIsa() == Isa::kAvx512) {
      g_sink ^= ReadAvx512(begin, words);
      return;
    }
#endif
    g_sink ^= ReadPortable(begin, words);
  });
}

double MeasureInt8MultiplyAdds(int num_threads) {
  const auto rate = [&](double per_round, auto body) {
    return Rate(num_threads, per_round * num_threads,
                [&](int64_t) { g_sink ^= static_cast<uint64_t>(body()); });
  };
#if defined(__x86_64__)
  if (CurrentIsa() == Isa::kAvx512)
    return rate(static_cast<double>(kRounds) * kChains * 64, MultiplyInt8Avx512);
  if (CurrentIsa() == Isa::kAvx2)
    return rate(static_cast<double>(kRounds) * (kChains - 4) * 32, MultiplyInt8Avx2);
#endif
  return rate(static_cast<double>(kPortableRounds) * 64, MultiplyInt8Portable);
}

double MeasureF32MultiplyAdds(int num_threads) {
  const auto rate = [&](double per_round, auto body) {
    return Rate(num_threads, per_round * num_threads,
                [&](int64_t) { g_sink ^= static_cast<uint64_t>(body() > 0); });
  };
#if defined(__x86_64__)
  if (CurrentIsa() == Isa::kAvx512)
    return rate(static_cast<double>(kRounds) * kChains * 16, FmaAvx512);
  if (CurrentIsa() == Isa::kAvx2)
    return rate(static_cast<double>(kRounds) * (kChains - 4) * 8, FmaAvx2);
#endif
  return rate(static_cast<double>(kPortableRounds) * 64, FmaPortable);
}

}  // namespace coterie

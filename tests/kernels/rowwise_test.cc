// Operations on rows: formulas against doubles, bodies against each other, bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <random>

#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"

namespace coterie {
namespace {

std::vector<float> RandomValues(size_t count, uint32_t seed, float range = 3.0f) {
  std::mt19937 rng(seed);
  std::uniform_real_distribution<float> uniform(-range, range);
  std::vector<float> values(count);
  for (float& v : values) v = uniform(rng);
  return values;
}

// Runs `operation` with every body and expects one result.
void ExpectSameBits(const std::function<std::vector<float>()>& operation) {
  SetIsa(Isa::kPortable);
  const std::vector<float> expected = operation();
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    const std::vector<float> found = operation();
    EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
        << IsaName(isa);
  }
}

constexpr int64_t kSizes[] = {1, 15, 16, 17, 96, 352};

TEST(RowwiseTest, RmsNormIsTheFormula) {
  for (int64_t n : kSizes) {
    std::vector<float> x = RandomValues(static_cast<size_t>(n), 1),
                       w = RandomValues(static_cast<size_t>(n), 2), out(x.size());
    ExpectSameBits([&] {
      RmsNorm(Tensor(x.data(), {1, n}), w, 1e-6f, Tensor(out.data(), {1, n}));
      return out;
    });
    double squares = 0;
    for (float v : x) squares += static_cast<double>(v) * v;
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(out[i], x[i] / std::sqrt(squares / static_cast<double>(n) + 1e-6) * w[i], 2e-6);
  }
}

// The tanh form, tightly: the erf form differs by up to 5e-4 and must not pass.
TEST(RowwiseTest, GatedGeluIsTheTanhForm) {
  std::vector<float> x;
  for (int i = -1200; i <= 1200; ++i) x.push_back(static_cast<float>(i) * 0.01f);
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> gate_up = x, out(x.size());
  gate_up.resize(2 * x.size(), 1.0f);
  ExpectSameBits([&] {
    GatedGelu(Tensor(gate_up.data(), {1, 2 * n}), Tensor(out.data(), {1, n}));
    return out;
  });
  double worst_erf = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double u = x[i],
                 tanh_form =
                     0.5 * u * (1 + std::tanh(std::sqrt(2 / M_PI) * (u + 0.044715 * u * u * u)));
    EXPECT_NEAR(out[i], tanh_form, 1e-6 * std::max(1.0, std::fabs(u))) << u;
    worst_erf =
        std::max(worst_erf, std::fabs(out[i] - 0.5 * u * (1 + std::erf(u / std::sqrt(2.0)))));
  }
  EXPECT_GT(worst_erf, 1e-4);
}

TEST(RowwiseTest, SoftCapIsTheFormula) {
  const std::vector<float> x = RandomValues(333, 3, 120.0f);
  std::vector<float> out;
  ExpectSameBits([&] {
    out = x;
    SoftCap(Tensor(out.data(), {1, 333}), 30.0f);
    return out;
  });
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(out[i], 30.0 * std::tanh(x[i] / 30.0), 1e-5);
}

TEST(RowwiseTest, RopeTurnsPairsAcrossTheHalvesAndLeavesTheRest) {
  const std::vector<float> x = RandomValues(2 * 64, 4);
  std::vector<float> cos(8), sin(8), out;
  const std::vector<float> frequency = {1.0f, 0.5f, 0.25f, 0.1f, 0.05f, 0.02f, 0.01f, 0.001f};
  const int64_t position[] = {7};
  RopeAngles(position, frequency, Tensor(cos.data(), {1, 8}), Tensor(sin.data(), {1, 8}));
  ExpectSameBits([&] {
    out = x;
    Rope(Tensor(out.data(), {1, 128}), 64, Tensor(cos.data(), {1, 8}), Tensor(sin.data(), {1, 8}));
    return out;
  });
  for (size_t head = 0; head < 128; head += 64) {
    for (size_t i = 0; i < 32; ++i) {
      const double angle = i < 8 ? 7.0 * frequency[i] : 0.0, a = x[head + i], b = x[head + i + 32];
      EXPECT_NEAR(out[head + i], a * std::cos(angle) - b * std::sin(angle), 2e-6);
      EXPECT_NEAR(out[head + i + 32], b * std::cos(angle) + a * std::sin(angle), 2e-6);
    }
  }
}

TEST(RowwiseTest, CombineAddsInRankOrder) {
  std::vector<float> rows = RandomValues(4 * 35, 5), out(2 * 35);
  const std::vector<float> weights = {0.7f, 0.2f, 1.5f, -0.3f};
  ExpectSameBits([&] {
    CombineExperts(Tensor(rows.data(), {4, 35}), weights, 2, Tensor(out.data(), {2, 35}));
    return out;
  });
  for (size_t i = 0; i < 35; ++i)
    EXPECT_EQ(out[35 + i],
              std::fma(-0.3f, rows[3 * 35 + i], std::fma(1.5f, rows[2 * 35 + i], 0.0f)));
}

TEST(GateTest, RanksByLogitAndTakesTheLowerExpertOnATie) {
  std::vector<float> logits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 2.0f};
  std::vector<int32_t> experts(4);
  std::vector<float> weights(4);
  const std::vector<float> scale = {1, 1, 2, 1, 1, 1};
  GateTopK(Tensor(logits.data(), {1, 6}), scale, 4, experts, weights);
  EXPECT_EQ(experts, (std::vector<int32_t>{1, 3, 2, 5}));
  const double total = 2 + 2 * std::exp(-1.0);
  EXPECT_NEAR(weights[0], 1 / total, 1e-6);
  EXPECT_NEAR(weights[2], 2 * std::exp(-1.0) / total, 1e-6);
}

TEST(RowsTest, Int8RowsRoundToNearestAndRefuseWhatIsNotFinite) {
  std::vector<float> x = RandomValues(64, 6);
  std::vector<std::byte> row(static_cast<size_t>(EncodedRowBytes(RowFormat::kInt8, 64)));
  std::vector<float> back(64);
  ExpectSameBits([&] {
    EncodeRow(RowFormat::kInt8, x.data(), 64, row.data());
    DecodeRow(RowFormat::kInt8, row.data(), 64, back.data());
    return back;
  });
  for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(back[i], x[i], 3.0f / 254 + 1e-6);
  EXPECT_TRUE(EncodedRowIsFinite(RowFormat::kInt8, row.data(), 64));
  for (float bad : {std::nanf(""), INFINITY}) {
    x[40] = bad;
    for (Isa isa : SupportedIsas()) {
      SetIsa(isa);
      EncodeRow(RowFormat::kInt8, x.data(), 64, row.data());
      EXPECT_FALSE(EncodedRowIsFinite(RowFormat::kInt8, row.data(), 64))
          << bad << " " << IsaName(isa);
    }
  }
}

// Wherever it is, among the largest values that are finite.
TEST(RowsTest, ABf16RowWithAValueThatIsNotFiniteIsFound) {
  for (const uint16_t largest : {0x7f7f, 0xff7f, 0x0000, 0x807f}) {
    std::vector<uint16_t> row(11, largest);
    const auto* bytes = reinterpret_cast<const std::byte*>(row.data());
    EXPECT_TRUE(EncodedRowIsFinite(RowFormat::kBF16, bytes, 11));
    for (uint16_t& value : row) {
      for (const uint16_t bad : {0x7f80, 0xff80, 0x7fc0, 0xff81, 0x7fff, 0xffff}) {
        value = bad;
        EXPECT_FALSE(EncodedRowIsFinite(RowFormat::kBF16, bytes, 11)) << bad;
      }
      value = largest;
    }
  }
}

TEST(RowsTest, Bf16RowsRoundToNearestEvenInEveryBody) {
  const std::vector<float> x = RandomValues(100, 7);
  std::vector<std::byte> row(200);
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    EncodeRow(RowFormat::kBF16, x.data(), 100, row.data());
    for (size_t i = 0; i < 100; ++i) {
      uint16_t bits;
      std::memcpy(&bits, &row[2 * i], 2);
      EXPECT_EQ(bits, F32ToBF16(x[i]));
    }
  }
}

// A damaged model must be seen to be one: nothing on the way to a logit makes a number of a NaN.
TEST(RowwiseTest, NaNStaysNaN) {
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    const float nan = std::nanf("");
    std::vector<float> x(32, 1.0f), out(32), weight(32, 1.0f);
    x[20] = nan;
    const Tensor row(x.data(), {1, 32}), result(out.data(), {1, 32});
    RmsNorm(row, weight, 1e-6f, result);
    for (float v : out) EXPECT_TRUE(std::isnan(v)) << IsaName(isa);
    std::vector<float> capped = x;
    SoftCap(Tensor(capped.data(), {1, 32}), 30.0f);
    EXPECT_TRUE(std::isnan(capped[20])) << IsaName(isa);
    EXPECT_FALSE(std::isnan(capped[21])) << IsaName(isa);
    std::vector<float> gated(16);
    GatedGelu(row, Tensor(gated.data(), {1, 16}));
    EXPECT_TRUE(std::isnan(gated[4])) << IsaName(isa);
    std::vector<int32_t> experts(2);
    std::vector<float> weights(2);
    std::vector<float> logits = {1.0f, nan, 0.5f, nan};
    GateTopK(Tensor(logits.data(), {1, 4}), std::vector<float>(4, 1.0f), 2, experts, weights);
    for (int32_t expert : experts) EXPECT_TRUE(expert >= 0 && expert < 4);
  }
}

// 3e38 squared is infinite, and a row of zeros would look like an answer.
TEST(RowwiseTest, ANormWhoseSquaresOverflowIsNaN) {
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    std::vector<float> x(32, 3e38f), out(32);
    RmsNorm(Tensor(x.data(), {1, 32}), {}, 1e-6f, Tensor(out.data(), {1, 32}));
    for (float v : out) EXPECT_TRUE(std::isnan(v)) << IsaName(isa);
  }
}

}  // namespace
}  // namespace coterie

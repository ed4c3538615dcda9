// Matrix products: every format against doubles over the dequantised operands, and every body,
// thread count, tile and batch against each other, bit for bit, over awkward sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "kernels/pack/pack_rows.h"
#include "tests/testing/random_weights.h"

namespace coterie {
namespace {

struct Case {
  DType format;
  int64_t num_inputs;
  int64_t num_outputs;
};

std::vector<float> RandomValues(size_t count, int seed) {
  std::mt19937 rng(static_cast<uint32_t>(seed));
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(static_cast<int>(rng() % 4001) - 2000) / 1000.0f;
  return values;
}

class ProductTest : public testing::TestWithParam<Case> {
 protected:
  ProductTest() : pool_(1) {
    const std::vector<std::byte> bytes =
        RandomWeights(GetParam().format, GetParam().num_outputs, GetParam().num_inputs, 1);
    const RawMatrix raw{GetParam().format, GetParam().num_outputs, GetParam().num_inputs, bytes};
    weights_ = *PackedMatrix::Pack(raw, GetParam().format, pool_);
  }
  ~ProductTest() override { SetIsa(SupportedIsas().back()); }

  std::vector<float> Multiply(std::vector<float> x, Parallel& pool) const {
    const int64_t rows = static_cast<int64_t>(x.size()) / GetParam().num_inputs;
    EncodedRows encoded;
    encoded.Encode(weights_.row_format(), Tensor(x.data(), {rows, GetParam().num_inputs}));
    std::vector<float> out(static_cast<size_t>(rows * GetParam().num_outputs));
    MatMul(encoded, weights_, Tensor(out.data(), {rows, GetParam().num_outputs}), pool);
    return out;
  }

  Parallel pool_;
  PackedMatrix weights_;
};

TEST_P(ProductTest, EqualsDoublesWithinTheRoundingOfItsSums) {
  const Case c = GetParam();
  const std::vector<float> x = RandomValues(static_cast<size_t>(3 * c.num_inputs), 2);
  const std::vector<float> out = Multiply(x, pool_);
  std::vector<std::byte> encoded(
      static_cast<size_t>(EncodedRowBytes(weights_.row_format(), c.num_inputs)));
  std::vector<float> row(static_cast<size_t>(c.num_inputs)), w(row.size());
  for (int64_t t = 0; t < 3; ++t) {
    EncodeRow(weights_.row_format(), x.data() + t * c.num_inputs, c.num_inputs, encoded.data());
    DecodeRow(weights_.row_format(), encoded.data(), c.num_inputs, row.data());
    for (int64_t o = 0; o < c.num_outputs; ++o) {
      weights_.UnpackRow(o, w.data());
      double sum = 0, magnitude = 0;
      for (size_t k = 0; k < row.size(); ++k) {
        sum += static_cast<double>(row[k]) * static_cast<double>(w[k]);
        magnitude += std::fabs(static_cast<double>(row[k]) * static_cast<double>(w[k]));
      }
      // Half an ulp of the running sum at every step, in order.
      const double bound =
          magnitude * 0x1p-23 * std::sqrt(static_cast<double>(c.num_inputs)) + 1e-6;
      ASSERT_NEAR(out[static_cast<size_t>(t * c.num_outputs + o)], sum, bound)
          << "row " << t << ", output " << o;
    }
  }
}

TEST_P(ProductTest, EveryBodyAndThreadCountGivesTheSameBits) {
  const std::vector<float> x = RandomValues(static_cast<size_t>(17 * GetParam().num_inputs), 3);
  SetIsa(Isa::kPortable);
  const std::vector<float> expected = Multiply(x, pool_);
  Parallel three(3);
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    EXPECT_EQ(Multiply(x, pool_), expected) << IsaName(isa);
    EXPECT_EQ(Multiply(x, three), expected) << IsaName(isa);
  }
}

TEST_P(ProductTest, ARowDoesNotDependOnTheOthers) {
  const auto num_inputs = static_cast<size_t>(GetParam().num_inputs),
             num_outputs = static_cast<size_t>(GetParam().num_outputs);
  const std::vector<float> x = RandomValues(13 * num_inputs, 4);
  const std::vector<float> together = Multiply(x, pool_);
  for (size_t t = 0; t < 13; ++t) {
    const auto at = static_cast<std::ptrdiff_t>(t * num_inputs),
               out_at = static_cast<std::ptrdiff_t>(t * num_outputs);
    const std::vector<float> alone =
        Multiply(std::vector<float>(x.begin() + at, x.begin() + at + GetParam().num_inputs), pool_);
    EXPECT_EQ(alone, std::vector<float>(together.begin() + out_at,
                                        together.begin() + out_at + GetParam().num_outputs))
        << "row " << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, ProductTest,
                         testing::Values(Case{DType::kF32, 1, 1}, Case{DType::kF32, 67, 33},
                                         Case{DType::kF16, 40, 17}, Case{DType::kBF16, 96, 144},
                                         Case{DType::kQ8_0, 32, 16}, Case{DType::kQ8_0, 704, 40},
                                         Case{DType::kQ4_0, 32, 1}, Case{DType::kQ4_0, 704, 150},
                                         Case{DType::kQ6_K, 256, 31}, Case{DType::kQ6_K, 768, 16}));

TEST(ProductExtremesTest, LargestQuantisedValuesDoNotOverflow) {
  // q8_0 weights of -128 against activations of ±127: the AVX2 body must not saturate in 16 bits.
  Parallel pool(1);
  std::vector<std::byte> bytes(16 * 34, static_cast<std::byte>(0x80));
  const uint16_t one = F32ToF16(1.0f);
  for (size_t at = 0; at < bytes.size(); at += 34) std::memcpy(&bytes[at], &one, 2);
  const PackedMatrix weights =
      *PackedMatrix::Pack({DType::kQ8_0, 16, 32, bytes}, DType::kQ8_0, pool);
  std::vector<float> x(32, -127.0f), out(16);
  EncodedRows encoded;
  encoded.Encode(RowFormat::kInt8, Tensor(x.data(), {1, 32}));
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    MatMul(encoded, weights, Tensor(out.data(), {1, 16}), pool);
    for (float v : out) EXPECT_EQ(v, 32.0f * 128 * 127) << IsaName(isa);
  }
}

TEST(PackTest, NamesTheRowOfAWeightThatIsNotANumber) {
  Parallel pool(1);
  std::vector<float> values(20 * 8, 1.0f);
  values[13 * 8 + 5] = std::nanf("");
  const auto packed =
      PackedMatrix::Pack({DType::kF32, 20, 8, std::as_bytes(std::span(values))}, DType::kF32, pool);
  ASSERT_FALSE(packed.ok());
  EXPECT_NE(packed.status().message().find("row 13"), std::string::npos) << packed.status();
}

TEST(PackTest, RefusesRowsThatAreNotWholeBlocks) {
  Parallel pool(1);
  std::vector<float> values(40, 1.0f);
  EXPECT_FALSE(
      PackedMatrix::Pack({DType::kF32, 1, 40, std::as_bytes(std::span(values))}, DType::kQ4_0, pool)
          .ok());
}

TEST(PackTest, QuantisedRowsComeBackWithinHalfAStep) {
  const std::vector<float> x = RandomValues(64, 9);
  for (DType format : {DType::kQ8_0, DType::kQ4_0}) {
    Parallel pool(1);
    const PackedMatrix packed =
        *PackedMatrix::Pack({DType::kF32, 1, 64, std::as_bytes(std::span(x))}, format, pool);
    std::vector<float> back(64);
    packed.UnpackRow(0, back.data());
    for (size_t i = 0; i < 64; ++i)
      EXPECT_NEAR(back[i], x[i], format == DType::kQ8_0 ? 2.0f / 127 : 2.0f / 7)
          << DTypeName(format);
  }
}

TEST(HalfTest, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if (F16IsFinite(half)) {
      EXPECT_EQ(F32ToF16(F16ToF32(half)), half);
    }
    const float value = BF16ToF32(half);
    if (std::isfinite(value)) {
      EXPECT_EQ(F32ToBF16(value), half);
    }
  }
}

}  // namespace
}  // namespace coterie

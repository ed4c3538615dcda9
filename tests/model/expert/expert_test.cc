// The routed FFN in every weight format. Method: the formula in doubles over the values of the
// file and of the encoded input row, with the hidden row encoded as the weights of `down` want it.
#include "model/expert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "model/plain_values.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

constexpr int64_t kLayer = 2;
constexpr int64_t kRows = 11;

class ExpertTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto opened = Checkpoint::Open(kCheckpoints + GetParam());
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_ = *std::move(opened);
    for (int64_t expert = 0; expert < 3; ++expert) {
      auto loaded = LoadExpert(*checkpoint_, kLayer, expert, {}, pool_);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      experts_.push_back(*std::move(loaded));
    }
    dim_ = checkpoint_->config().model_dim;
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    std::vector<float> x(static_cast<size_t>(kRows * dim_));
    for (float& value : x) value = normal(random);
    input_.Encode(experts_[0].gate_up.row_format(), Tensor(x.data(), {kRows, dim_}));
  }

  std::vector<double> Values(TensorRole role, int64_t expert) const {
    std::vector<double> all;
    for (const RawMatrix& part : checkpoint_->Matrices(role, kLayer, expert)) {
      const std::vector<double> values = PlainValues(part);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  std::vector<float> Decoded(RowFormat format, const std::byte* row, int64_t num_cols) const {
    std::vector<float> out(static_cast<size_t>(num_cols));
    DecodeRow(format, row, num_cols, out.data());
    return out;
  }

  // Rows [begin, end) of the input through each of `experts`: one job each. [pair][dim].
  std::vector<std::vector<float>> Run(const std::vector<int64_t>& experts, int64_t begin,
                                      int64_t end) {
    const RowFormat format = ExpertOutputFormat(experts_[0].down.format());
    const auto row_bytes = static_cast<size_t>(EncodedRowBytes(format, dim_));
    const size_t num_pairs = experts.size() * static_cast<size_t>(end - begin);
    Buffer bytes(num_pairs * row_bytes);
    std::vector<std::vector<const std::byte*>> rows(experts.size());
    std::vector<std::vector<std::byte*>> outputs(experts.size());
    std::vector<ExpertJob> jobs;
    size_t pair = 0;
    for (size_t e = 0; e < experts.size(); ++e) {
      for (int64_t row = begin; row < end; ++row) {
        rows[e].push_back(input_.row(row));
        outputs[e].push_back(bytes.data() + pair++ * row_bytes);
      }
      jobs.push_back({&experts_[static_cast<size_t>(experts[e])], rows[e], outputs[e]});
    }
    runner_.Run(jobs);
    std::vector<std::vector<float>> found;
    for (size_t p = 0; p < num_pairs; ++p)
      found.push_back(Decoded(format, bytes.data() + p * row_bytes, dim_));
    return found;
  }

  Parallel pool_{2};
  std::unique_ptr<Checkpoint> checkpoint_;
  std::vector<ExpertWeights> experts_;
  int64_t dim_ = 0;
  EncodedRows input_;
  ExpertRunner runner_{&pool_};
};

double Gelu(double u) {
  return 0.5 * u * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (u + 0.044715 * u * u * u)));
}

TEST_P(ExpertTest, EqualsTheFormulaInDoubles) {
  const std::vector<double> gate_up = Values(TensorRole::kExpertGateUp, 1),
                            down = Values(TensorRole::kExpertDown, 1);
  const auto dim = static_cast<size_t>(dim_), hidden_dim = down.size() / dim;
  const RowFormat hidden_format = experts_[1].down.row_format();
  // Half a unit of the output's last place, and the float32 sums before it.
  const bool f32 = ExpertOutputFormat(experts_[1].down.format()) == RowFormat::kF32;
  const double output_epsilon = f32 ? 0 : 0x1p-8, sum_epsilon = 0x1p-23;
  const std::vector<std::vector<float>> found = Run({1}, 0, kRows);
  for (int64_t row = 0; row < kRows; ++row) {
    const std::vector<float> x = Decoded(input_.format(), input_.row(row), dim_);
    std::vector<float> hidden(hidden_dim);
    for (size_t h = 0; h < hidden_dim; ++h) {
      double gate = 0, up = 0;
      for (size_t i = 0; i < dim; ++i) {
        gate += gate_up[h * dim + i] * x[i];
        up += gate_up[(hidden_dim + h) * dim + i] * x[i];
      }
      hidden[h] = static_cast<float>(Gelu(gate) * up);
    }
    Buffer encoded(
        static_cast<size_t>(EncodedRowBytes(hidden_format, static_cast<int64_t>(hidden_dim))));
    EncodeRow(hidden_format, hidden.data(), static_cast<int64_t>(hidden_dim), encoded.data());
    const std::vector<float> seen =
        Decoded(hidden_format, encoded.data(), static_cast<int64_t>(hidden_dim));
    double peak = 0;
    for (float value : seen) peak = std::max(peak, std::fabs(static_cast<double>(value)));
    // A hidden value on the border between two codes may be encoded as either.
    const double code_step = hidden_format == RowFormat::kInt8   ? peak / 127
                             : hidden_format == RowFormat::kBF16 ? peak * 0x1p-8
                                                                 : 0;
    for (size_t o = 0; o < dim; ++o) {
      double y = 0, size = 0, largest = 0;
      for (size_t h = 0; h < hidden_dim; ++h) {
        y += down[o * hidden_dim + h] * seen[h];
        size += std::fabs(down[o * hidden_dim + h] * seen[h]);
        largest = std::max(largest, std::fabs(down[o * hidden_dim + h]));
      }
      const double tolerance = output_epsilon * std::fabs(y) +
                               sum_epsilon * static_cast<double>(dim + hidden_dim) * size +
                               code_step * largest;
      EXPECT_NEAR(found[static_cast<size_t>(row)][o], y, tolerance) << "row " << row << ", " << o;
    }
  }
}

TEST_P(ExpertTest, APairDoesNotDependOnTheOthers) {
  const std::vector<std::vector<float>> together = Run({2, 0, 1}, 0, kRows);
  const std::vector<int64_t> order = {2, 0, 1};
  for (size_t e = 0; e < order.size(); ++e) {
    for (int64_t row = 0; row < kRows; ++row)
      EXPECT_EQ(Run({order[e]}, row, row + 1)[0],
                together[e * static_cast<size_t>(kRows) + static_cast<size_t>(row)]);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, ExpertTest,
                         testing::Values("tiny_f32", "tiny_bf16", "tiny_q8_0.gguf",
                                         "tiny_q4_0.gguf", "tiny_q4_0_split.gguf",
                                         "tiny256_q4_0_q6_k.gguf"));

}  // namespace
}  // namespace coterie

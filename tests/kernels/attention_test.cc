// Attention over cached blocks against doubles, at positions around window and block borders, and
// bodies against each other.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"

namespace coterie {
namespace {

struct Case {
  KvType type;
  int64_t num_heads, num_kv_heads, key_dim, value_dim, window;
  bool folded;
};

class AttentionTest : public testing::TestWithParam<Case> {
 protected:
  static constexpr int64_t kTokens = 200;

  AttentionTest() : rng_(5) {
    const Case& c = GetParam();
    shape_ = {c.type, c.num_kv_heads, c.key_dim, c.value_dim};
    for (int64_t block = 0; block * kKvBlockTokens < kTokens; ++block) {
      storage_.emplace_back(static_cast<size_t>(shape_.block_bytes()));
      blocks_.push_back(storage_.back().data());
    }
    for (int64_t position = 0; position < kTokens; ++position) {
      keys_.push_back(Values(c.num_kv_heads * c.key_dim));
      values_.push_back(Values(c.num_kv_heads * c.value_dim));
      StoreKv(shape_, {blocks_.data(), 0}, position, keys_.back().data(), values_.back().data());
      RoundToKv(c.type, keys_.back().data(), static_cast<int64_t>(keys_.back().size()));
      RoundToKv(c.type, values_.back().data(), static_cast<int64_t>(values_.back().size()));
    }
  }
  ~AttentionTest() override { SetIsa(SupportedIsas().back()); }

  std::vector<float> Values(int64_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values) v = uniform(rng_);
    return values;
  }

  std::vector<float> Attend(std::vector<float> query, std::vector<float> value_query,
                            const std::vector<int64_t>& positions) {
    const Case& c = GetParam();
    const auto rows = static_cast<int64_t>(positions.size());
    std::vector<float> out(static_cast<size_t>(rows * c.num_heads * c.value_dim));
    const std::vector<KvView> views(positions.size(), KvView{blocks_.data(), 0});
    Parallel pool(2);
    Attention(
        {.shape = shape_,
         .num_heads = c.num_heads,
         .window = c.window,
         .query = Tensor(query.data(), {rows, c.num_heads * c.key_dim}),
         .value_query =
             c.folded ? Tensor(value_query.data(), {rows, c.num_heads * c.value_dim}) : Tensor(),
         .positions = positions,
         .views = views,
         .out = Tensor(out.data(), {rows, c.num_heads * c.value_dim})},
        pool);
    return out;
  }

  // One head of one row, in double.
  std::vector<double> Expected(const float* query, const float* value_query, int64_t head,
                               int64_t position) const {
    const Case& c = GetParam();
    const int64_t kv = head / (c.num_heads / c.num_kv_heads),
                  first = c.window > 0 ? std::max<int64_t>(0, position - c.window + 1) : 0;
    std::vector<double> out(static_cast<size_t>(c.value_dim), 0.0);
    double total = 0;
    for (int64_t j = first; j <= position; ++j) {
      const float* key = keys_[static_cast<size_t>(j)].data() + kv * c.key_dim;
      const float* value = values_[static_cast<size_t>(j)].data() + kv * c.value_dim;
      double score = 0;
      for (int64_t i = 0; i < c.key_dim; ++i)
        score += static_cast<double>(query[head * c.key_dim + i]) * key[i];
      for (int64_t i = 0; c.folded && i < c.value_dim; ++i)
        score += static_cast<double>(value_query[head * c.value_dim + i]) * value[i];
      const double weight = std::exp(score);
      total += weight;
      for (int64_t i = 0; i < c.value_dim; ++i) out[static_cast<size_t>(i)] += weight * value[i];
    }
    for (double& v : out) v /= total;
    return out;
  }

  std::mt19937 rng_;
  KvShape shape_;
  std::vector<Buffer> storage_;
  std::vector<std::byte*> blocks_;
  std::vector<std::vector<float>> keys_, values_;
};

TEST_P(AttentionTest, EqualsDoublesAroundBordersInEveryBody) {
  const Case& c = GetParam();
  const std::vector<int64_t> positions = {0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 199};
  const auto rows = static_cast<int64_t>(positions.size());
  const std::vector<float> query = Values(rows * c.num_heads * c.key_dim),
                           value_query = Values(rows * c.num_heads * c.value_dim);
  SetIsa(Isa::kPortable);
  const std::vector<float> out = Attend(query, value_query, positions);
  for (Isa isa : SupportedIsas()) {
    SetIsa(isa);
    EXPECT_EQ(Attend(query, value_query, positions), out) << IsaName(isa);
  }
  for (size_t t = 0; t < positions.size(); ++t) {
    const auto row = static_cast<int64_t>(t);
    for (int64_t head = 0; head < c.num_heads; ++head) {
      const std::vector<double> expected =
          Expected(query.data() + row * c.num_heads * c.key_dim,
                   value_query.data() + row * c.num_heads * c.value_dim, head, positions[t]);
      for (int64_t i = 0; i < c.value_dim; ++i) {
        ASSERT_NEAR(out[static_cast<size_t>((row * c.num_heads + head) * c.value_dim + i)],
                    expected[static_cast<size_t>(i)], 2e-5)
            << "position " << positions[t] << ", head " << head;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest,
                         testing::Values(Case{KvType::kF32, 4, 2, 32, 32, 8, false},
                                         Case{KvType::kBF16, 4, 2, 32, 32, 64, false},
                                         Case{KvType::kF32, 4, 1, 16, 64, 0, true},
                                         Case{KvType::kBF16, 16, 2, 128, 512, 0, true},
                                         Case{KvType::kBF16, 3, 1, 24, 16, 65, false},
                                         Case{KvType::kF32, 1, 1, 16, 16, 1, false}));

}  // namespace
}  // namespace coterie

// Blocks that a model has computed, stored and read back: the same bits, though keys of global
// layers were never stored.
#include "router/kv/kv_codec.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "kernels/check.h"
#include "kernels/kernels.h"
#include "tests/testing/goldens.h"
#include "tests/testing/local_forward.h"

namespace coterie {
namespace {

TEST(KvCodecSizeTest, AGlobalTokenOfThe26BTakes10240BytesInBf16) {
  const ModelConfig config = Gemma4_26B();
  const TrunkWeights weights;
  const KvLayout layout(config, {.type = KvType::kBF16});
  const KvCodec codec(&config, &weights, &layout, KvType::kBF16);
  EXPECT_EQ(codec.global_bytes(), 10240 * kKvBlockTokens);
  EXPECT_EQ(layout.global_block_bytes(), 12800 * kKvBlockTokens);
  EXPECT_EQ(codec.local_bytes(), (12 << 20) + (512 << 10));
}

struct Case {
  const char* model;
  KvType type;
};

class KvCodecTest : public testing::TestWithParam<Case> {
 protected:
  KvCodecTest()
      : forward_({.model = kCheckpoints + GetParam().model, .kv_type = GetParam().type}),
        layout_(forward_.stack().cache().layout()) {}

  // A sequence whose keys and values are computed.
  std::unique_ptr<KvCache::Sequence> Compute(int64_t num_tokens) {
    KvCache& cache = forward_.stack().cache();
    std::unique_ptr<KvCache::Sequence> kv = cache.StartAlone();
    for (int64_t begin = 0; begin < num_tokens; begin += 64) {
      CHECK(kv->Grow(begin + 64, absl::Now()));
      std::vector<StepRow> rows;
      for (int64_t p = begin; p < begin + 64; ++p)
        rows.push_back({static_cast<int32_t>(3 + p * 7 % 290), p, kv.get(), p + 1 == num_tokens});
      CHECK(forward_.stack().step().Run(rows, [] { return false; }).ok());
      kv->Commit({}, begin + 64);
    }
    return kv;
  }
  // Where a group's block begins.
  const std::byte* Block(const KvCache::Sequence& kv, bool global, int64_t block) const {
    int64_t layer = 0;
    while (layout_.is_global(layer) != global) ++layer;
    return kv.View(layer).blocks[block] - layout_.offset(layer);
  }

  LocalForward forward_;
  const KvLayout& layout_;
};

TEST_P(KvCodecTest, AGlobalBlockComesBackWithTheKeysThatWereComputed) {
  const KvCodec codec(&forward_.stack().config(), &forward_.stack().trunk_weights(), &layout_,
                      GetParam().type);
  const auto kv = Compute(2048);
  const auto bytes = static_cast<size_t>(layout_.global_block_bytes());
  Buffer other(bytes);
  for (int64_t block = 0; block < 2048 / kKvBlockTokens; ++block) {
    const std::byte* const computed = Block(*kv, true, block);
    std::fill_n(other.data(), bytes, std::byte{0xa5});
    const std::string payload = codec.EncodeGlobal(computed);
    EXPECT_EQ(static_cast<int64_t>(payload.size()), codec.global_bytes());
    ASSERT_TRUE(codec.DecodeGlobal(payload, block * kKvBlockTokens, other.data()));
    EXPECT_EQ(std::memcmp(other.data(), computed, bytes), 0) << "block " << block;
    // Keys know their position: at another the same values have others.
    ASSERT_TRUE(codec.DecodeGlobal(payload, (block + 1) * kKvBlockTokens, other.data()));
    EXPECT_NE(std::memcmp(other.data(), computed, bytes), 0) << "block " << block;
  }
}

TEST_P(KvCodecTest, ALocalBlockComesBack) {
  const KvCodec codec(&forward_.stack().config(), &forward_.stack().trunk_weights(), &layout_,
                      GetParam().type);
  const auto kv = Compute(256);
  const std::byte* const computed = Block(*kv, false, 3);
  const auto bytes = static_cast<size_t>(layout_.sliding_block_bytes());
  Buffer other(bytes);
  ASSERT_TRUE(codec.DecodeLocal(codec.EncodeLocal(computed), other.data()));
  EXPECT_EQ(std::memcmp(other.data(), computed, bytes), 0);
}

TEST_P(KvCodecTest, AnotherLengthIsRefusedAndTheBlockUntouched) {
  const KvCodec codec(&forward_.stack().config(), &forward_.stack().trunk_weights(), &layout_,
                      GetParam().type);
  Buffer block(
      static_cast<size_t>(std::max(layout_.global_block_bytes(), layout_.sliding_block_bytes())));
  std::fill_n(block.data(), block.size_bytes(), std::byte{0x11});
  for (const int64_t delta : {-1000, -1, 1}) {
    const std::string global(static_cast<size_t>(codec.global_bytes() + delta), 'x'),
        local(static_cast<size_t>(codec.local_bytes() + delta), 'x');
    EXPECT_FALSE(codec.DecodeGlobal(global, 0, block.data()));
    EXPECT_FALSE(codec.DecodeLocal(local, block.data()));
  }
  EXPECT_FALSE(codec.DecodeGlobal({}, 0, block.data()));
  EXPECT_TRUE(std::all_of(block.data(), block.data() + block.size_bytes(),
                          [](std::byte b) { return b == std::byte{0x11}; }));
}

INSTANTIATE_TEST_SUITE_P(Formats, KvCodecTest,
                         testing::Values(Case{"tiny_f32", KvType::kF32},
                                         Case{"tiny_f32", KvType::kBF16},
                                         Case{"tiny_bf16", KvType::kBF16},
                                         Case{"tiny_q4_0.gguf", KvType::kBF16},
                                         Case{"tiny_q4_0.gguf", KvType::kF32}));

}  // namespace
}  // namespace coterie

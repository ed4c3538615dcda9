// The digest that tells a worker of another model. Goal: a change anywhere that a fine-tune touches
// is seen, in whichever expert it lies.
#include "model/checkpoint_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace coterie {
namespace {

constexpr int64_t kExperts = 8, kExpertBytes = 4096;

std::string DigestOf(const std::vector<std::byte>& bytes) {
  CheckpointDigest digest(Gemma4_26B());
  digest.Add(
      0, 0, {.name = "experts", .dtype = DType::kF32, .shape = {kExperts, 32, 32}, .bytes = bytes});
  return digest.Text();
}

TEST(CheckpointDigestTest, SeesEveryExpert) {
  const std::vector<std::byte> bytes(kExperts * kExpertBytes);
  std::set<std::string> digests = {DigestOf(bytes)};
  for (int64_t expert = 0; expert < kExperts; ++expert) {
    std::vector<std::byte> changed = bytes;
    std::fill_n(changed.begin() + expert * kExpertBytes, kExpertBytes, std::byte{1});
    digests.insert(DigestOf(changed));
  }
  EXPECT_EQ(digests.size(), size_t{kExperts} + 1);
}

}  // namespace
}  // namespace coterie

#include "router/grammar/token_mask.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace coterie {

bool TokenMask::empty() const {
  return std::all_of(words_.begin(), words_.end(), [](uint64_t word) { return word == 0; });
}

int64_t TokenMask::num_set() const {
  int64_t count = 0;
  for (uint64_t word : words_) count += std::popcount(word);
  return count;
}

void TokenMask::Apply(std::span<float> logits) const {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  const size_t known = std::min<size_t>(logits.size(), num_tokens_);
  for (size_t begin = 0; begin < known; begin += 64) {
    const uint64_t word = words_[begin / 64];
    const size_t end = std::min(begin + 64, known);
    // Nearly all words are one or the other.
    if (word == ~uint64_t{0}) continue;
    if (word == 0) {
      std::fill(logits.data() + begin, logits.data() + end, kLowest);
      continue;
    }
    for (size_t i = begin; i < end; ++i) {
      if (((word >> (i & 63)) & 1) == 0) logits[i] = kLowest;
    }
  }
  std::fill(logits.begin() + static_cast<int64_t>(known), logits.end(), kLowest);
}

}  // namespace coterie

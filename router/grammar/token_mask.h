// TokenMask: a set of tokens, one bit each.
#ifndef COTERIE_ROUTER_GRAMMAR_TOKEN_MASK_H_
#define COTERIE_ROUTER_GRAMMAR_TOKEN_MASK_H_

#include <cstdint>
#include <span>
#include <vector>

namespace coterie {

// Thread-compatible.
class TokenMask {
 public:
  TokenMask() = default;
  explicit TokenMask(int32_t num_tokens)
      : words_((static_cast<size_t>(num_tokens) + 63) / 64), num_tokens_(num_tokens) {}

  void Set(int32_t token) { words_[token >> 6] |= uint64_t{1} << (token & 63); }
  void Clear(int32_t token) { words_[token >> 6] &= ~(uint64_t{1} << (token & 63)); }
  bool Has(int32_t token) const {
    return token >= 0 && token < num_tokens_ && ((words_[token >> 6] >> (token & 63)) & 1) != 0;
  }
  bool empty() const;
  int64_t num_set() const;

  // Lowers the logits of all other tokens to the lowest float. logits: [vocab_size], which may be
  // more or less than this knows; tokens beyond are not in the set.
  void Apply(std::span<float> logits) const;

 private:
  std::vector<uint64_t> words_;
  int32_t num_tokens_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_TOKEN_MASK_H_

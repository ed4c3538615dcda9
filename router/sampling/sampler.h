// Sampler: logits → the next token of one sequence. The n-th draw of a sequence depends on its seed
// and n alone, so the same seed and prompt give the same tokens whatever else is in the batch.
//
// Order: top_k, then softmax at the temperature, then top_p and min_p, then the draw. Greedy is the
// highest logit, the lowest id on a tie.
#ifndef COTERIE_ROUTER_SAMPLING_SAMPLER_H_
#define COTERIE_ROUTER_SAMPLING_SAMPLER_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace coterie {

struct SamplingParams {
  float temperature = 0;  // 0: greedy
  int64_t top_k = 0;      // 0: all
  float top_p = 1;        // 1: all
  float min_p = 0;        // 0: all; else those at least so likely as a share of the likeliest
  uint64_t seed = 0;

  // InvalidArgument names the field.
  absl::Status Validate() const;
};

class Sampler {
 public:
  explicit Sampler(SamplingParams params) : params_(params) {}

  // Internal when a logit is NaN or infinite: weights or activations overflowed, and any token
  // would be garbage.
  absl::StatusOr<int32_t> Sample(std::span<const float> logits);
  // As if a token had been drawn: of a sequence that was begun elsewhere.
  void Skip() { ++num_draws_; }

 private:
  const SamplingParams params_;
  uint64_t num_draws_ = 0;
  std::vector<std::pair<float, int32_t>> candidates_;  // logit, then weight; reused
};

struct TokenLogprobs {
  float chosen = 0;
  std::vector<std::pair<int32_t, float>> top;  // best first
};

// Natural log probabilities at temperature 1 of `token` and of the `num_top` best.
TokenLogprobs ComputeLogprobs(std::span<const float> logits, int32_t token, int64_t num_top);

}  // namespace coterie

#endif  // COTERIE_ROUTER_SAMPLING_SAMPLER_H_

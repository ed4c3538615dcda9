#include <vector>

#include "kernels/cpu/bodies.h"
#include "kernels/kernels.h"

namespace coterie {
namespace {

// The best `top_k` of a row into `experts`, best first; on a tie the lower index.
void SelectTopK(const float* logits, int64_t num_experts, int64_t top_k, int32_t* experts) {
  for (int64_t count = 0, e = 0; e < num_experts; ++e) {
    if (count == top_k && !(logits[e] > logits[experts[top_k - 1]])) continue;
    int64_t at = count < top_k ? count++ : top_k - 1;
    for (; at > 0 && logits[e] > logits[experts[at - 1]]; --at) experts[at] = experts[at - 1];
    experts[at] = static_cast<int32_t>(e);
  }
}

}  // namespace

void GateTopK(const Tensor& logits, std::span<const float> per_expert_scale, int64_t top_k,
              std::span<int32_t> experts, std::span<float> weights) {
  const int64_t num_experts = logits.dim(1);
  CHECK(top_k >= 1 && top_k <= num_experts &&
        static_cast<int64_t>(per_expert_scale.size()) == num_experts);
  CHECK(static_cast<int64_t>(experts.size()) == logits.num_rows() * top_k &&
        experts.size() == weights.size());
  for (int64_t t = 0; t < logits.num_rows(); ++t) {
    const float* row = logits.row(t);
    int32_t* chosen = experts.data() + t * top_k;
    float* weight = weights.data() + t * top_k;
    SelectTopK(row, num_experts, top_k, chosen);
    for (int64_t r = 0; r < top_k; ++r) weight[r] = row[chosen[r]] - row[chosen[0]];
    Bodies().exp(weight, top_k);
    float sum = 0.0f;
    for (int64_t r = 0; r < top_k; ++r) sum += weight[r];
    for (int64_t r = 0; r < top_k; ++r)
      weight[r] = weight[r] / sum * per_expert_scale[static_cast<size_t>(chosen[r])];
  }
}

}  // namespace coterie

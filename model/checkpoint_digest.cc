#include "model/checkpoint_digest.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "kernels/check.h"
#include "xxhash.h"

namespace coterie {

CheckpointDigest::CheckpointDigest(const ModelConfig& config) : state_(XXH3_createState()) {
  CHECK(state_ != nullptr) << "out of memory";
  XXH3_128bits_reset(state_);
  // %a shows every bit of a number: bases of 1000000 and 1000001 are different models.
  AddText(absl::StrFormat("%d,%d,%d,%d,%d,%d,%a,%a,%a,%a,%a;", config.num_layers, config.model_dim,
                          config.num_heads, config.sliding_window, config.num_experts,
                          config.experts_per_token, config.rope_theta_sliding,
                          config.rope_theta_global, config.rope_partial_global, config.norm_eps,
                          config.logit_softcap));
}

CheckpointDigest::~CheckpointDigest() { XXH3_freeState(state_); }

void CheckpointDigest::AddText(absl::string_view text) {
  XXH3_128bits_update(state_, text.data(), text.size());
}

void CheckpointDigest::Add(int role, int64_t layer, const RawTensor& tensor) {
  AddText(absl::StrCat(role, "@", layer, ":", DTypeName(tensor.dtype), "[",
                       absl::StrJoin(tensor.shape, ", "), "];"));
  constexpr size_t kSamplesMin = 4, kSampleBytes = 256;
  // A few of any tensor, and one of every expert.
  const size_t slices = tensor.shape.size() >= 3 ? static_cast<size_t>(tensor.shape[0]) : 1;
  const size_t samples = std::max(kSamplesMin, slices);
  for (size_t i = 0; i < samples; ++i) {
    const size_t begin = tensor.bytes.size() / samples * i;
    const std::span<const std::byte> sample =
        tensor.bytes.subspan(begin, std::min(kSampleBytes, tensor.bytes.size() - begin));
    XXH3_128bits_update(state_, sample.data(), sample.size());
  }
}

std::string CheckpointDigest::Text() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_);
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace coterie

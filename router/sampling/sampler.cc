#include "router/sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

using Candidate = std::pair<float, int32_t>;

// Higher logit first; on a tie the lower id.
bool Better(const Candidate& a, const Candidate& b) {
  return a.first > b.first || (a.first == b.first && a.second < b.second);
}

// SplitMix64 (Steele, Lea, Flood 2014) as a counter-based generator: uniform in [0, 1) from 53
// bits.
double Uniform(uint64_t seed, uint64_t counter) {
  uint64_t z = seed * 0xd1342543de82ef95ULL + (counter + 1) * 0x9e3779b97f4a7c15ULL;
  for (int round = 0; round < 2; ++round) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
  }
  return static_cast<double>(z >> 11) * 0x1p-53;
}

}  // namespace

absl::Status SamplingParams::Validate() const {
  if (!std::isfinite(temperature) || temperature < 0 || temperature > 10) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampling.temperature is ", temperature, ", expected 0 to 10"));
  }
  if (!std::isfinite(top_p) || top_p <= 0 || top_p > 1)
    return absl::InvalidArgumentError(
        absl::StrCat("sampling.top_p is ", top_p, ", expected above 0, up to 1"));
  if (!std::isfinite(min_p) || min_p < 0 || min_p > 1)
    return absl::InvalidArgumentError(
        absl::StrCat("sampling.min_p is ", min_p, ", expected 0 to 1"));
  return absl::OkStatus();
}

absl::StatusOr<int32_t> Sampler::Sample(std::span<const float> logits) {
  Candidate best = {logits[0], 0};
  bool finite = true;
  for (size_t id = 0; id < logits.size(); ++id) {
    finite &= std::isfinite(logits[id]);
    if (logits[id] > best.first) best = {logits[id], static_cast<int32_t>(id)};
  }
  if (!finite)
    return absl::InternalError(
        "a logit is NaN or infinite: the model's weights or activations are out of range");
  if (params_.temperature == 0) return best.second;

  candidates_.resize(logits.size());
  for (size_t id = 0; id < logits.size(); ++id)
    candidates_[id] = {logits[id], static_cast<int32_t>(id)};
  if (params_.top_k > 0 && params_.top_k < static_cast<int64_t>(candidates_.size())) {
    std::nth_element(candidates_.begin(), candidates_.begin() + (params_.top_k - 1),
                     candidates_.end(), Better);
    candidates_.resize(static_cast<size_t>(params_.top_k));
  }
  const auto weight = [&](const Candidate& candidate) {
    return static_cast<double>(std::exp((candidate.first - best.first) / params_.temperature));
  };
  // The likeliest weighs one. What min_p drops counts for top_p all the same: neither rule depends
  // on the other.
  double total = 0;
  for (const Candidate& candidate : candidates_) total += weight(candidate);
  size_t count = candidates_.size();
  if (params_.top_p < 1) {
    // Best first, as far as needed: to sort a quarter of a million takes longer than a layer.
    const double wanted = static_cast<double>(params_.top_p) * total;
    double mass = 0;
    count = 0;
    for (size_t sorted = 0, more = 256; sorted < candidates_.size() && mass < wanted; more *= 8) {
      const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted);
      sorted = std::min(candidates_.size(), sorted + more);
      const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted);
      if (end != candidates_.end()) std::nth_element(begin, end - 1, candidates_.end(), Better);
      std::sort(begin, end, Better);
      while (count < sorted && mass < wanted) mass += weight(candidates_[count++]);
    }
    total = mass;
  }
  if (params_.min_p > 0) {
    const auto keep = [&](const Candidate& c) {
      return weight(c) >= static_cast<double>(params_.min_p);
    };
    const auto begin = candidates_.begin();
    const auto end = std::stable_partition(begin, begin + static_cast<std::ptrdiff_t>(count), keep);
    count = static_cast<size_t>(end - begin);
    total = 0;
    for (size_t i = 0; i < count; ++i) total += weight(candidates_[i]);
  }
  const double target = Uniform(params_.seed, num_draws_++) * total;
  double mass = 0;
  for (size_t i = 0; i < count; ++i) {
    mass += weight(candidates_[i]);
    if (target < mass) return candidates_[i].second;
  }
  return candidates_[count - 1].second;  // rounding left the target at the very end
}

TokenLogprobs ComputeLogprobs(std::span<const float> logits, int32_t token, int64_t num_top) {
  const float highest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (float logit : logits) total += std::exp(static_cast<double>(logit - highest));
  const double offset = static_cast<double>(highest) + std::log(total);
  TokenLogprobs result;
  result.chosen =
      static_cast<float>(static_cast<double>(logits[static_cast<size_t>(token)]) - offset);
  std::vector<Candidate> candidates(logits.size());
  for (size_t id = 0; id < logits.size(); ++id)
    candidates[id] = {logits[id], static_cast<int32_t>(id)};
  const auto count =
      std::min<std::ptrdiff_t>(num_top, static_cast<std::ptrdiff_t>(candidates.size()));
  std::partial_sort(candidates.begin(), candidates.begin() + count, candidates.end(), Better);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    result.top.emplace_back(
        candidates[static_cast<size_t>(i)].second,
        static_cast<float>(static_cast<double>(candidates[static_cast<size_t>(i)].first) - offset));
  }
  return result;
}

}  // namespace coterie

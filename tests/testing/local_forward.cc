#include "tests/testing/local_forward.h"

#include <algorithm>

#include "kernels/check.h"

namespace coterie {

LocalForward::LocalForward(Options options) {
  absl::StatusOr<std::unique_ptr<RouterStack>> stack =
      RouterStack::Create({.model = options.model,
                           .load = options.load,
                           .workers = options.workers,
                           .kv_type = options.kv_type,
                           .num_threads = options.num_threads,
                           .kv_bytes = 64 << 20},
                          registry_);
  CHECK(stack.ok()) << stack.status().ToString();
  stack_ = *std::move(stack);
  // The step and the cache are the engine thread's as long as it lives.
  stack_->Stop(absl::InfinitePast());
}

std::vector<float> LocalForward::RunChunk(KvCache::Sequence& kv, std::span<const int32_t> tokens,
                                          int64_t begin, int64_t end) {
  CHECK(kv.Grow(end, absl::Now())) << "more tokens than the cache has room for";
  std::vector<StepRow> rows;
  for (int64_t position = begin; position < end; ++position)
    rows.push_back({tokens[static_cast<size_t>(position)], position, &kv, true});
  const absl::StatusOr<Tensor> logits = stack_->step().Run(rows, [] { return false; });
  CHECK(logits.ok()) << logits.status().ToString();
  kv.Commit({}, end);
  return std::vector<float>(logits->data(),
                            logits->data() + logits->num_rows() * logits->row_size());
}

std::vector<float> LocalForward::Logits(std::span<const int32_t> tokens, int64_t chunk) {
  const auto count = static_cast<int64_t>(tokens.size());
  const std::unique_ptr<KvCache::Sequence> kv = stack_->cache().StartAlone();
  std::vector<float> all;
  for (int64_t begin = 0; begin < count; begin += chunk) {
    const std::vector<float> logits = RunChunk(*kv, tokens, begin, std::min(count, begin + chunk));
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

std::vector<int32_t> LocalForward::Greedy(std::vector<int32_t> tokens, int64_t count) {
  const auto prompt = static_cast<int64_t>(tokens.size());
  const std::unique_ptr<KvCache::Sequence> kv = stack_->cache().StartAlone();
  for (int64_t done = 0; static_cast<int64_t>(tokens.size()) < prompt + count;) {
    const int64_t end = std::min(static_cast<int64_t>(tokens.size()), done + kChunk);
    const std::vector<float> logits = RunChunk(*kv, tokens, done, end);
    done = end;
    if (done < static_cast<int64_t>(tokens.size())) continue;
    const auto last = logits.end() - static_cast<std::ptrdiff_t>(stack_->config().vocab_size);
    tokens.push_back(static_cast<int32_t>(std::max_element(last, logits.end()) - last));
  }
  return std::vector<int32_t>(tokens.begin() + prompt, tokens.end());
}

}  // namespace coterie

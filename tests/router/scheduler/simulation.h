// A scheduler with a small KV cache and simulated time: a step takes as long as its rows, and a
// sequence is done when it has its tokens. No model.
#ifndef COTERIE_TESTS_ROUTER_SCHEDULER_SIMULATION_H_
#define COTERIE_TESTS_ROUTER_SCHEDULER_SIMULATION_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "model/config.h"
#include "router/engine/sequence.h"
#include "router/kv/kv_cache.h"
#include "router/scheduler/scheduler.h"

namespace coterie {

inline ModelConfig SmallConfig() {
  ModelConfig config = Gemma4_26B();
  config.num_layers = 6;
  config.layer_is_global.resize(6);
  config.sliding_window = 128;
  config.num_kv_heads_sliding = config.num_kv_heads_global = 1;
  config.head_dim_sliding = config.head_dim_global = 16;
  return config;
}

struct Load {
  std::string tenant;
  int64_t num_prompt = 100;
  int64_t num_tokens = 20;
  int priority = 0;
  int32_t first_token = 0;
};

class Simulation {
 public:
  struct Options {
    int64_t kv_blocks = 1000;  // of both groups
    Scheduler::Options scheduler;
  };
  explicit Simulation(Options options)
      : cache_(&config_, CacheOptions(options)), scheduler_(options.scheduler, &cache_) {}

  Sequence* Add(const Load& load, int num_siblings = 0) {
    EngineRequest request;
    request.tenant = load.tenant;
    request.priority = load.priority;
    request.max_tokens = load.num_tokens;
    request.prompt.resize(static_cast<size_t>(load.num_prompt));
    std::iota(request.prompt.begin(), request.prompt.end(), load.first_token);
    auto sequence = std::make_unique<Sequence>(std::move(request), number_++, now_);
    Sequence* const plain = sequence.get();
    for (int i = 0; i < num_siblings; ++i)
      plain->siblings.push_back(std::make_unique<Sequence>(plain->request, number_++, now_));
    scheduler_.Add(std::move(sequence));
    return plain;
  }

  // One step. 1 ms for each, and 10 us for each row.
  void Step() {
    scheduler_.Admit(now_);
    const auto parts = scheduler_.Plan(now_);
    ASSERT_TRUE(!parts.empty() || scheduler_.empty());
    if (!parts.empty()) {
      EXPECT_EQ(parts.front().sequence, scheduler_.running().front().get());
    }
    int64_t num_rows = 0, num_prompt_rows = 0;
    for (const auto& part : parts) {
      num_rows += part.end - part.begin;
      if (part.end - part.begin > 1) num_prompt_rows += part.end - part.begin;
      ASSERT_EQ(part.begin, part.sequence->kv->num_tokens());
    }
    EXPECT_LE(num_prompt_rows, cache_.options().prefill_chunk);
    EXPECT_LE(cache_.used_bytes(), cache_.options().budget_bytes);
    now_ += absl::Milliseconds(1) + num_rows * absl::Microseconds(10);
    for (const auto& part : parts) {
      scheduler_.Computed(part, now_);
      computed_[part.sequence->request.tenant] += part.end - part.begin;
      if (part.end < static_cast<int64_t>(part.sequence->tokens.size())) continue;
      scheduler_.ReleaseSiblings(part.sequence);
      part.sequence->tokens.push_back(7);
      if (part.sequence->num_generated() == 1) first_tokens_.push_back(part.sequence->number);
    }
    scheduler_.RemoveIf(
        [&](Sequence& sequence) {
          if (sequence.num_generated() < sequence.request.max_tokens) return false;
          finished_.push_back(sequence.number);
          longest_ = std::max(longest_, now_ - sequence.arrived);
          return true;
        },
        now_);
  }
  void RunUntil(absl::Time end) {
    while (now_ < end && !testing::Test::HasFailure()) Step();
  }
  void RunUntilEmpty() {
    while (!scheduler_.empty() && !testing::Test::HasFailure()) Step();
  }

  const ModelConfig config_ = SmallConfig();
  KvCache cache_;
  Scheduler scheduler_;
  absl::Time now_ = absl::UnixEpoch();
  uint64_t number_ = 0;
  std::map<std::string, int64_t> computed_;  // rows, by tenant
  std::vector<uint64_t> first_tokens_, finished_;
  absl::Duration longest_;

 private:
  KvOptions CacheOptions(const Options& options) const {
    KvOptions result{.type = KvType::kBF16, .prefill_chunk = options.scheduler.prefill_chunk};
    const KvLayout layout(config_, result);
    result.budget_bytes =
        options.kv_blocks * (layout.sliding_block_bytes() + layout.global_block_bytes());
    return result;
  }
};

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_SCHEDULER_SIMULATION_H_

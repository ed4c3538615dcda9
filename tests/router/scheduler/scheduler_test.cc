// The scheduler with a small KV cache and simulated time: a step takes as long as its rows, and a
// sequence is done when it has its tokens. No model.
#include "router/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>

#include "model/config.h"

namespace coterie {
namespace {

ModelConfig SmallConfig() {
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

TEST(SchedulerTest, PromptsAndDecodesShareAStep) {
  Simulation sim({.scheduler = {.max_sequences = 4, .prefill_chunk = 128}});
  sim.Add({.num_prompt = 100, .num_tokens = 50});
  sim.Step();
  sim.Add({.num_prompt = 1000, .first_token = 5000});
  sim.scheduler_.Admit(sim.now_);
  const auto& parts = sim.scheduler_.Plan(sim.now_);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].end - parts[0].begin, 1);
  EXPECT_EQ(parts[1].end - parts[1].begin, 128);
}

TEST(SchedulerTest, SeveralShortPromptsFillOneStep) {
  Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 128}});
  for (int i = 0; i < 4; ++i) sim.Add({.num_prompt = 40, .first_token = 1000 * i});
  sim.scheduler_.Admit(sim.now_);
  const auto& parts = sim.scheduler_.Plan(sim.now_);
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[3].end - parts[3].begin, 8);
}

TEST(SchedulerTest, TheMostJuniorYieldsWhenBlocksRunOutAndAllFinish) {
  Simulation sim({.kv_blocks = 24, .scheduler = {.max_sequences = 16, .prefill_chunk = 64}});
  for (int i = 0; i < 12; ++i)
    sim.Add({.num_prompt = 200, .num_tokens = 300, .first_token = 10000 * i});
  sim.RunUntilEmpty();
  EXPECT_GT(sim.scheduler_.num_yields(), 0);
  EXPECT_EQ(sim.finished_.size(), 12u);
  EXPECT_EQ(sim.first_tokens_.front(), 0u);
  EXPECT_EQ(sim.cache_.held_bytes(), 0);
}

TEST(SchedulerTest, SiblingsWaitForThePromptAndThenFindIt) {
  Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 256}});
  sim.Add({.num_prompt = 400, .num_tokens = 5}, /*num_siblings=*/3);
  EXPECT_EQ(sim.scheduler_.num_waiting(), 4);
  sim.Step();
  EXPECT_EQ(sim.scheduler_.num_running(), 1);
  EXPECT_EQ(sim.scheduler_.num_waiting(), 3);
  sim.Step();  // the prompt is computed
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.size(), 4u);
  // Each of the others computes what is beyond the last whole block.
  EXPECT_EQ(sim.computed_[""], 400 + 3 * 16 + 4 * 4);
}

// An agent's next prompt may have other words at the end of the one before: the last message
// edited, or a block of it written anew. Whatever the length, and after an answer that has blocks
// of its own.
TEST(SchedulerTest, APromptThatPartsInTheLastBlockBeforeTheEndFindsTheRest) {
  for (int64_t length = 400; length < 464; length += 9) {
    for (int64_t back = 1; back <= 64; back += 7) {
      Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 256}});
      sim.Add({.num_prompt = length, .num_tokens = 150});
      sim.RunUntilEmpty();
      Sequence* const next = sim.Add({.num_prompt = length + 100, .num_tokens = 1});
      for (size_t i = static_cast<size_t>(length - back); i < next->tokens.size(); ++i)
        next->tokens[i] += 100000;
      sim.scheduler_.Admit(sim.now_);
      EXPECT_GE(next->kv->num_resumed(), length - back - 63) << length << " parts " << back;
    }
  }
}

TEST(SchedulerTest, SiblingsOfOneThatLeavesGoOn) {
  Simulation sim({.scheduler = {.max_sequences = 8, .prefill_chunk = 256}});
  Sequence* const leader = sim.Add({.num_prompt = 400, .num_tokens = 5}, /*num_siblings=*/3);
  sim.Step();
  sim.scheduler_.RemoveIf([&](Sequence& sequence) { return &sequence == leader; }, sim.now_);
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.size(), 3u);
}

// One tenant asks for ten times as much as each of nine others, and all ask for more than there is.
TEST(SchedulerTest, AFloodLeavesTheOthersTheirFairShare) {
  Simulation sim({.scheduler = {.max_sequences = 16, .prefill_chunk = 256}});
  std::mt19937 rng(3);
  const auto add = [&](const std::string& tenant) {
    sim.Add({.tenant = tenant,
             .num_prompt = 50 + static_cast<int64_t>(rng() % 200),
             .num_tokens = 20 + static_cast<int64_t>(rng() % 60),
             .first_token = static_cast<int32_t>(rng())});
  };
  // The flood comes first, and takes every place.
  for (int i = 0; i < 200; ++i) add("flood");
  const absl::Time end = sim.now_ + absl::Seconds(20);
  absl::Time warm = sim.now_ + absl::Seconds(3);
  std::map<std::string, int64_t> before;
  while (sim.now_ < end) {
    for (int tenant = 0; tenant < 9; ++tenant) {
      if (rng() % 4 == 0) add("t" + std::to_string(tenant));
    }
    for (int i = 0; i < 10; ++i) {
      if (rng() % 4 == 0) add("flood");
    }
    sim.Step();
    if (sim.now_ >= warm) {
      before = sim.computed_;
      warm = absl::InfiniteFuture();
    }
  }
  int64_t total = 0;
  for (const auto& [tenant, rows] : sim.computed_) total += rows - before[tenant];
  for (int tenant = 0; tenant < 9; ++tenant) {
    const std::string name = "t" + std::to_string(tenant);
    EXPECT_GE(static_cast<double>(sim.computed_[name] - before[name]),
              0.95 * static_cast<double>(total) / 10)
        << name;
  }
}

TEST(SchedulerTest, WeightsShareOutWhatThereIs) {
  Simulation sim({.scheduler = {.max_sequences = 8,
                                .prefill_chunk = 256,
                                .tenant_weights = {{"heavy", 3}},
                                .promote_after = absl::Hours(1)}});
  for (int i = 0; i < 3000; ++i) {
    sim.Add({.tenant = "heavy", .first_token = 1000 * i});
    sim.Add({.tenant = "light", .first_token = -1000 * i});
  }
  sim.RunUntil(sim.now_ + absl::Seconds(3));
  const double ratio =
      static_cast<double>(sim.computed_["heavy"]) / static_cast<double>(sim.computed_["light"]);
  EXPECT_NEAR(ratio, 3, 0.15);
}

TEST(SchedulerTest, HigherPriorityTakesThePlaceOfALowerOne) {
  Simulation sim({.scheduler = {.max_sequences = 2, .prefill_chunk = 512}});
  for (int i = 0; i < 4; ++i) sim.Add({.num_tokens = 100, .priority = -1, .first_token = 1000 * i});
  for (int i = 0; i < 5; ++i) sim.Step();
  sim.Add({.num_tokens = 5, .priority = 5, .first_token = 90000});
  sim.Step();
  EXPECT_EQ(sim.first_tokens_.back(), 4u);
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.front(), 4u);
  EXPECT_EQ(sim.finished_.size(), 5u);
}

TEST(SchedulerTest, PriorityClassesKeepTheirOrder) {
  Simulation sim({.scheduler = {.max_sequences = 1, .prefill_chunk = 512}});
  for (int i = 0; i < 30; ++i)
    sim.Add({.num_tokens = 3, .priority = i % 3, .first_token = 1000 * i});
  sim.RunUntilEmpty();
  ASSERT_EQ(sim.finished_.size(), 30u);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(sim.finished_[i] % 3, 2 - i / 10) << i;
}

// With free places, prompts of high priority that use every row of the steps.
TEST(SchedulerTest, APromptThatRunsIsNotKeptOutOfTheStepsForever) {
  Simulation sim(
      {.scheduler = {.max_sequences = 4, .prefill_chunk = 16, .promote_after = absl::Seconds(2)}});
  sim.Add({.num_prompt = 200, .num_tokens = 3});
  int32_t first = 10000;
  while (sim.now_ < absl::UnixEpoch() + absl::Seconds(20)) {
    while (sim.scheduler_.num_running() + sim.scheduler_.num_waiting() < 3)
      sim.Add({.num_prompt = 1500, .num_tokens = 1, .priority = 50, .first_token = first += 2000});
    sim.Step();
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_NE(std::find(sim.finished_.begin(), sim.finished_.end(), 0u), sim.finished_.end());
}

TEST(SchedulerTest, AnOldAnswerThatMakesProgressGivesItsPlaceToAHigherPriority) {
  Simulation sim(
      {.scheduler = {.max_sequences = 1, .prefill_chunk = 512, .promote_after = absl::Seconds(2)}});
  sim.Add({.num_tokens = 1 << 20, .priority = -1});
  sim.RunUntil(sim.now_ + absl::Seconds(5));
  sim.Add({.num_tokens = 5, .priority = 5, .first_token = 90000});
  sim.Step();
  EXPECT_EQ(sim.first_tokens_.back(), 1u);
}

// Requests of all sizes, tenants and priorities, too little memory, and a stream of urgent ones
// that would keep the others out for ever.
TEST(SchedulerTest, NobodyWaitsForever) {
  for (int seed = 0; seed < 8; ++seed) {
    Simulation sim(
        {.kv_blocks = 40,
         .scheduler = {
             .max_sequences = 6, .prefill_chunk = 64, .promote_after = absl::Seconds(2)}});
    std::mt19937 rng(static_cast<uint32_t>(seed));
    size_t num_added = 0;
    const auto add = [&](int priority) {
      sim.Add({.tenant = "t" + std::to_string(rng() % 5),
               .num_prompt = 1 + static_cast<int64_t>(rng() % 900),
               .num_tokens = 1 + static_cast<int64_t>(rng() % 200),
               .priority = priority,
               .first_token = static_cast<int32_t>(rng() % 4) * 1000});
      ++num_added;
    };
    for (int i = 0; i < 30; ++i) add(static_cast<int>(rng() % 3) - 1);
    while (sim.now_ < absl::UnixEpoch() + absl::Seconds(20)) {
      if (sim.scheduler_.num_waiting() < 8) add(5);
      sim.Step();
      ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
    sim.RunUntilEmpty();
    EXPECT_EQ(sim.finished_.size(), num_added) << "seed " << seed;
    EXPECT_LT(sim.longest_, absl::Seconds(12)) << "seed " << seed;
    EXPECT_EQ(sim.cache_.held_bytes(), 0);
  }
}

}  // namespace
}  // namespace coterie

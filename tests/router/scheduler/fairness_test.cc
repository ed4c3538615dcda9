// Tenants share the machine by tokens, whatever each of them asks for: in simulated time.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <random>
#include <string>

#include "absl/time/time.h"
#include "tests/router/scheduler/simulation.h"

namespace coterie {
namespace {

// What nine tenants get beside a flood that was there before and always has 100 requests: a tenth
// of all tokens each, or, if they ask for less, their first tokens soon.
struct FloodCase {
  std::string name;
  int64_t kv_blocks;
  int64_t num_prompt, num_tokens;  // of the flood's requests
  // Requests that each of the others has under way; with few they ask for less than their share.
  int64_t num_others;
  int64_t others_prompt = 250;  // tokens of theirs at most
};

void PrintTo(const FloodCase& c, std::ostream* out) { *out << c.name; }

class FloodTest : public testing::TestWithParam<FloodCase> {};

TEST_P(FloodTest, LeavesTheOthersTheirShareAndTheirPace) {
  const FloodCase& c = GetParam();
  // It has waited for much longer than anybody should.
  Simulation sim(
      {.kv_blocks = c.kv_blocks,
       .scheduler = {
           .max_sequences = 16, .prefill_chunk = 256, .promote_after = absl::Milliseconds(500)}});
  std::mt19937 rng(3);
  const auto add = [&](const std::string& tenant, int64_t num_prompt, int64_t num_tokens) {
    return sim.Add({.tenant = tenant,
                    .num_prompt = num_prompt,
                    .num_tokens = num_tokens,
                    .first_token = static_cast<int32_t>(rng() % 1000000000)});
  };
  std::map<std::string, int64_t> before, num_asked, num_done;
  std::map<uint64_t, absl::Time> waiting;  // for their first token
  std::map<uint64_t, std::string> tenants;
  absl::Duration longest;
  size_t seen_first = 0, seen_done = 0;
  const absl::Time begin = sim.now_ + absl::Seconds(1), end = begin + absl::Seconds(6);
  while (sim.now_ < end) {
    while (num_asked["flood"] - num_done["flood"] < 100) {
      tenants[add("flood", c.num_prompt, c.num_tokens)->number] = "flood";
      ++num_asked["flood"];
    }
    for (int i = 0; i < 9 && sim.now_ >= begin; ++i) {
      const std::string tenant = "t" + std::to_string(i);
      while (num_asked[tenant] - num_done[tenant] < c.num_others) {
        const Sequence* const added =
            add(tenant, 50 + static_cast<int64_t>(rng()) % (c.others_prompt - 50),
                20 + static_cast<int64_t>(rng() % 60));
        waiting[added->number] = sim.now_;
        tenants[added->number] = tenant;
        ++num_asked[tenant];
      }
    }
    if (sim.now_ < begin) before = sim.computed_;
    sim.Step();
    ASSERT_FALSE(HasFailure());
    for (; seen_first < sim.first_tokens_.size(); ++seen_first) {
      const auto found = waiting.find(sim.first_tokens_[seen_first]);
      if (found == waiting.end()) continue;
      longest = std::max(longest, sim.now_ - found->second);
      waiting.erase(found);
    }
    for (; seen_done < sim.finished_.size(); ++seen_done) {
      ++num_done[tenants.at(sim.finished_[seen_done])];
    }
  }
  int64_t total = 0;
  for (const auto& [tenant, rows] : sim.computed_) total += rows - before[tenant];
  if (c.num_others == 1) {
    for (const auto& [number, since] : waiting) longest = std::max(longest, sim.now_ - since);
    EXPECT_LT(longest, absl::Milliseconds(100));
    return;
  }
  for (const std::string name : {"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "flood"}) {
    EXPECT_GE(static_cast<double>(sim.computed_[name] - before[name]),
              0.95 * static_cast<double>(total) / 10)
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Floods, FloodTest,
    testing::Values(FloodCase{"short", 4000, 100, 40, 4},
                    FloodCase{"long_answers", 4000, 100, 1 << 20, 4},
                    FloodCase{"long_prompts", 4000, 4000, 20, 4, 2000},
                    FloodCase{"little_memory", 300, 2000, 1000, 4},
                    FloodCase{"short_beside_few", 4000, 100, 40, 1},
                    FloodCase{"long_answers_beside_few", 4000, 100, 1 << 20, 1},
                    FloodCase{"long_prompts_beside_few", 4000, 4000, 20, 1}),
    [](const testing::TestParamInfo<FloodCase>& info) { return info.param.name; });

// Who comes beside a flood of long answers does not wait for their end, nor do those who had to
// yield.
TEST(FairnessTest, ATenantThatComesGetsAPlaceAtOnce) {
  Simulation sim({.scheduler = {.max_sequences = 4, .prefill_chunk = 256}});
  for (int i = 0; i < 10; ++i)
    sim.Add({.tenant = "flood", .num_tokens = 2000, .first_token = 100000 * i});
  sim.RunUntil(sim.now_ + absl::Seconds(1));
  for (int i = 0; i < 3; ++i)
    sim.Add({.tenant = "other", .num_tokens = 2000, .first_token = -100000 * (i + 1)});
  for (int i = 0; i < 3; ++i) sim.Step();
  EXPECT_EQ(sim.first_tokens_.back(), 11u)
      << "half of the places, as long as the other half is used";
  const int64_t yields = sim.scheduler_.num_yields();
  EXPECT_EQ(yields, 2);
  sim.RunUntil(sim.now_ + absl::Seconds(1));
  EXPECT_EQ(sim.scheduler_.num_yields(), yields) << "places do not go to and fro";
  sim.RunUntilEmpty();
  EXPECT_EQ(sim.finished_.size(), 13u);
}

TEST(FairnessTest, WeightsShareOutWhatThereIs) {
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

}  // namespace
}  // namespace coterie

// TailCycle: notices that an answer has begun to repeat itself: its last tokens are the same
// sequence over and over. Sampler penalties do not cure that; stopping does.
//
// Exact, at every token: for each period up to kPeriodMax it knows how many of the last tokens
// equal the token one period before. A token costs kPeriodMax comparisons, some 100 ns.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_RAILS_TAIL_CYCLE_H_
#define COTERIE_ROUTER_RAILS_TAIL_CYCLE_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace coterie {

class TailCycle {
 public:
  static constexpr int64_t kPeriodMax = 512;
  // A cycle counts when it has come round so often, and covers so many tokens: short enough to save
  // the rest of an answer, long enough for what people mean to repeat (a table's rule, "ha ha ha").
  static constexpr int64_t kRepeatsMin = 4;
  static constexpr int64_t kTokensMin = 48;

  // The period of the cycle that ends with `token`, or 0.
  int64_t Append(int32_t token) {
    const auto size = static_cast<int64_t>(tokens_.size());
    int64_t found = 0;
    for (int64_t period = 1; period <= std::min(size, kPeriodMax); ++period) {
      int32_t& run = runs_[static_cast<size_t>(period - 1)];
      run = tokens_[static_cast<size_t>(size - period)] == token ? run + 1 : 0;
      // `run` tokens repeat what was one period before: with those, run + period are in the cycle.
      const int64_t covered = run + period;
      if (found == 0 && covered >= kRepeatsMin * period && covered >= kTokensMin) found = period;
    }
    tokens_.push_back(token);
    return found;
  }

 private:
  std::vector<int32_t> tokens_;
  std::array<int32_t, kPeriodMax> runs_{};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_RAILS_TAIL_CYCLE_H_

// Grouping: (row, expert) pairs → one contiguous run per expert, and back to the pairs' own order.
#ifndef COTERIE_EXPERT_WORKER_GROUPING_H_
#define COTERIE_EXPERT_WORKER_GROUPING_H_

#include <cstdint>
#include <span>
#include <vector>

namespace coterie {

// Runs in order of expert; within a run the pairs keep their order. Reused between calls.
//
//   grouping.Group(batch.pair_expert, num_experts);
//   for (const Grouping::Run& run : grouping.runs()) for (int32_t pair : grouping.pairs(run)) …
class Grouping {
 public:
  struct Run {
    int32_t expert = 0;
    int64_t begin = 0, end = 0;  // positions in the grouped order
  };

  // Every expert is in [0, num_experts).
  void Group(std::span<const int32_t> pair_expert, int64_t num_experts);

  std::span<const Run> runs() const { return runs_; }
  // The pairs of a run, as indices into pair_expert.
  std::span<const int32_t> pairs(const Run& run) const {
    return {order_.data() + run.begin, static_cast<size_t>(run.end - run.begin)};
  }

 private:
  std::vector<int64_t> start_;
  std::vector<int32_t> order_;
  std::vector<Run> runs_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_GROUPING_H_

// CopyChoice: which of the workers that hold a copy computes each expert of one layer. A pure
// function of the copies and of how quick and how busy the workers are; results do not depend on
// it, only time does.
#ifndef COTERIE_ROUTER_EXPERTS_COPY_CHOICE_H_
#define COTERIE_ROUTER_EXPERTS_COPY_CHOICE_H_

#include <cstdint>
#include <span>
#include <vector>

namespace coterie {

// What it costs to compute an expert for `num_rows` rows, in rows: its weights are read once
// (bench/kernels/product_bench: q4_0 takes 61 us for one row, 81 for 8, so reading is worth some
// 20 rows).
inline constexpr double kReadCost = 20;
inline double ExpertCost(int64_t num_rows) { return kReadCost + static_cast<double>(num_rows); }

class CopyChoice {
 public:
  struct Expert {
    int64_t num_rows = 0;
    std::span<const int> copies;  // workers; at least one
  };

  // slowness[w]: seconds that a unit of cost takes worker w, relative to others. Experts with more
  // rows choose first, each the worker that would be done with it first; all rows of an expert go
  // to one worker, so that its weights are read once. [experts] the worker of each, valid until the
  // next call.
  const std::vector<int>& Choose(std::span<const Expert> experts, std::span<const double> slowness);
  // Of the last call: the work of the busiest worker relative to the mean of those that could be
  // chosen. 1: even.
  double imbalance() const;

 private:
  std::vector<int> chosen_;
  std::vector<size_t> order_;
  std::vector<double> busy_;       // [workers] until when
  std::vector<uint8_t> could_be_;  // [workers] chosen for something
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_COPY_CHOICE_H_

// ExpertLoad: how many rows went to each expert of each layer since the process started. What a
// rebalancer plans with, and what shows whether a model uses all its experts.
//
// Thread rule: Count by the engine's thread; Snapshot by any.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_EXPERT_LOAD_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_EXPERT_LOAD_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace coterie {

class ExpertLoad {
 public:
  ExpertLoad(int64_t num_layers, int64_t num_experts)
      : num_layers_(num_layers),
        num_experts_(num_experts),
        rows_(static_cast<size_t>(num_layers * num_experts)) {}

  // experts: of one layer, one for each (row, expert) pair; each < num_experts.
  void Count(int64_t layer, std::span<const int32_t> experts) {
    std::atomic<uint64_t>* const of_layer = &rows_[static_cast<size_t>(layer * num_experts_)];
    for (const int32_t expert : experts) of_layer[expert].fetch_add(1, std::memory_order_relaxed);
  }

  // [num_layers * num_experts], layer by layer. Taken while counting goes on: a layer may be one
  // step ahead of the next.
  std::vector<uint64_t> Snapshot() const {
    std::vector<uint64_t> rows;
    rows.reserve(rows_.size());
    for (const std::atomic<uint64_t>& count : rows_)
      rows.push_back(count.load(std::memory_order_relaxed));
    return rows;
  }

  int64_t num_layers() const { return num_layers_; }
  int64_t num_experts() const { return num_experts_; }

 private:
  const int64_t num_layers_, num_experts_;
  std::vector<std::atomic<uint64_t>> rows_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_EXPERT_LOAD_H_

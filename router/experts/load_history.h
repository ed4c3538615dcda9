// LoadHistory: how much work each expert of each layer was of late, all routers together, from
// counters that workers keep since their start. Older work counts less: half after every half-life.
//
// Thread-compatible. No clock of its own.
#ifndef COTERIE_ROUTER_EXPERTS_LOAD_HISTORY_H_
#define COTERIE_ROUTER_EXPERTS_LOAD_HISTORY_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace coterie {

class LoadHistory {
 public:
  LoadHistory(int64_t num_layers, int64_t num_experts, absl::Duration half_life);

  // counts: [num_layers * num_experts] of one process since its start; `instance` is new with every
  // start. Others of another size are not counted.
  void Add(const std::string& instance, std::span<const uint64_t> counts, absl::Time now);
  // [num_layers * num_experts]; all zero while there is too little in a layer to tell experts
  // apart.
  std::vector<double> Load() const;

 private:
  // What is known of processes that are gone is forgotten with the oldest of so many.
  static constexpr size_t kInstancesMax = 1024;

  const int64_t num_layers_, num_experts_;
  const absl::Duration half_life_;
  absl::Time last_ = absl::InfinitePast();
  std::map<std::string, std::vector<uint64_t>> counts_;  // as last seen
  std::vector<double> load_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_LOAD_HISTORY_H_

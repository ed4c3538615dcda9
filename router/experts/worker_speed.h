// WorkerSpeed: how much of the experts' work a worker does in a second of computing, from counters
// that it keeps. What is used changes only when what is measured is clearly something else, so that
// experts do not wander with noise.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_SPEED_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_SPEED_H_

#include <cstdint>
#include <string>

namespace coterie {

class WorkerSpeed {
 public:
  // Counters of the process `instance` since its start.
  void Add(const std::string& instance, uint64_t num_pairs, uint64_t num_runs, uint64_t compute_ns);

  // Units of cost (CopyChoice) a second; 0: not known.
  double measured() const { return measured_; }
  // Relative to `mean`, that of all workers: what to plan with.
  double Use(double mean);

 private:
  std::string instance_;
  uint64_t num_pairs_ = 0, num_runs_ = 0, compute_ns_ = 0;  // as last seen
  double cost_ = 0, seconds_ = 0;                           // not yet measured
  double measured_ = 0;
  double used_ = 1;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_SPEED_H_

// WorkerWatch: what is shown of the workers: gauges, and a line in the log for one that came or
// went.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_WATCH_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_WATCH_H_

#include <vector>

#include "router/experts/worker_set.h"
#include "router/metrics.h"

namespace coterie {

class WorkerWatch {
 public:
  // Not owned, outlive this.
  WorkerWatch(WorkerSet* workers, RouterMetrics* metrics) : workers_(workers), metrics_(metrics) {}

  void Look();

 private:
  WorkerSet* const workers_;
  RouterMetrics* const metrics_;
  std::vector<bool> connected_;  // [workers] when last looked at
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_WATCH_H_

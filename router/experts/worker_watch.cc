#include "router/experts/worker_watch.h"

#include "ops/process/log.h"

namespace coterie {

void WorkerWatch::Look() {
  metrics_->expert_copies_min.Set(static_cast<double>(workers_->num_copies_min()));
  const std::vector<WorkerSet::Worker> workers = workers_->Describe();
  for (size_t i = connected_.size(); i < workers.size(); ++i) {
    if (metrics_->num_workers() <= static_cast<int>(i)) metrics_->AddWorker(workers[i].name);
    connected_.push_back(false);
  }
  for (size_t i = 0; i < workers.size(); ++i) {
    metrics_->SetConnected(static_cast<int>(i), workers[i].connected);
    if (connected_[i] == workers[i].connected) continue;
    connected_[i] = workers[i].connected;
    workers[i].connected
        ? LogInfo("worker joined",
                  {{"address", workers[i].name}, {"experts", workers[i].held.num_held()}})
        : LogWarning("worker lost",
                     {{"address", workers[i].name}, {"reason", workers[i].status.message()}});
  }
}

}  // namespace coterie

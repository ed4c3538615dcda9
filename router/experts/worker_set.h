// WorkerSet: the workers given to this router, their links, and the placement over those that are
// connected now.
//
// Thread rule: placement(), pace() and what sends by the engine's thread; the rest is thread-safe.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_SET_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_SET_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/dispatch_inbox.h"
#include "expert_worker/expert_host.h"
#include "router/experts/expert_outage.h"
#include "router/experts/placement.h"
#include "router/experts/worker_pace.h"

namespace coterie {

// Counted for this router, shown by GetStatus and /metrics.
struct WorkerLoad {
  std::atomic<uint64_t> pairs{0};
  std::atomic<uint64_t> compute_ns{0};
};

class WorkerSet {
 public:
  struct RemoteOptions {
    std::vector<std::string> addresses;
    int64_t copies = 1;  // of each expert, where workers are told their shards
    absl::Duration connect_timeout = absl::Seconds(60);  // loading included
  };
  using ChannelMaker =
      std::function<std::unique_ptr<ExpertChannel>(int worker, DispatchInbox* inbox)>;

  // Experts in this process. host: not owned, outlives this, holds every expert.
  static std::unique_ptr<WorkerSet> Local(ExpertHost* host);
  // Connects to every address; worker i of n that has no shard is told i/n, or i/nxC for C copies.
  // FailedPrecondition: a worker of another model or format; Unavailable: an expert has no home
  // when all have connected or the time is over.
  static absl::StatusOr<std::unique_ptr<WorkerSet>> Connect(const Checkpoint& checkpoint,
                                                            DType expert_format,
                                                            const RemoteOptions& options);
  // Over channels of any kind, connected or not.
  static std::unique_ptr<WorkerSet> Over(int64_t num_layers, int64_t num_experts,
                                         const std::vector<ChannelMaker>& makers,
                                         WorkerPace::Options pace = {});

  // As of now. Valid until the next call.
  const Placement& placement();
  // What a step that needs `expert` is told: who is missing, and why.
  absl::Status OutageOf(ExpertId expert) const;

  struct Worker {
    std::string name;
    bool connected = false;
    absl::Status status;
    int64_t num_experts = 0;
    uint64_t pairs = 0;
    double compute_seconds = 0;
  };
  std::vector<Worker> Describe() const;
  // The copies of the expert that has fewest.
  int64_t num_copies_min() {
    placement();
    return num_copies_min_;
  }

  int num_workers() const { return static_cast<int>(channels_.size()); }
  ExpertChannel& channel(int worker) { return *channels_[static_cast<size_t>(worker)]; }
  WorkerLoad& load(int worker) { return *loads_[static_cast<size_t>(worker)]; }
  WorkerPace& pace(int worker) { return paces_[static_cast<size_t>(worker)]; }
  DispatchInbox& inbox() { return inbox_; }

 private:
  WorkerSet(int64_t num_layers, int64_t num_experts, WorkerPace::Options pace)
      : num_layers_(num_layers), num_experts_(num_experts), pace_options_(pace) {}
  void Add(const ChannelMaker& make);

  const int64_t num_layers_;
  const int64_t num_experts_;
  const WorkerPace::Options pace_options_;
  DispatchInbox inbox_;
  bool placed_ = false;
  uint64_t placed_change_ = 0;  // of the inbox
  Placement placement_;
  int64_t num_copies_min_ = 0;
  std::vector<uint64_t> epochs_;  // of the links when they were placed
  std::vector<WorkerPace> paces_;
  std::vector<std::unique_ptr<WorkerLoad>> loads_;
  std::vector<std::unique_ptr<ExpertChannel>> channels_;  // last: their threads use the inbox
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_SET_H_

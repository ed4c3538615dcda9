// WorkerSet: the workers given to this router, their links, and the placement over those that are
// connected now.
//
// Thread rule: placement() and channel() by the engine's thread; the rest is thread-safe.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_SET_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_SET_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/grpc_channel.h"
#include "expert_worker/expert_host.h"
#include "router/experts/placement.h"

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
    absl::Duration connect_timeout = absl::Seconds(60);  // loading included
    absl::Duration send_timeout = absl::Seconds(10);
  };

  // Experts in this process. host: not owned, outlives this, holds every expert.
  static std::unique_ptr<WorkerSet> Local(ExpertHost* host);
  // Connects to every address; worker i of n that has no shard is told i/n. FailedPrecondition: a
  // worker of another model or format; Unavailable: one cannot be reached in time, or an expert has
  // no home.
  static absl::StatusOr<std::unique_ptr<WorkerSet>> Connect(const Checkpoint& checkpoint,
                                                            DType expert_format,
                                                            const RemoteOptions& options);

  // As of now. Unavailable: an expert has no home; the message says which worker is missing and
  // why.
  absl::StatusOr<const Placement*> placement();

  struct Worker {
    std::string name;
    bool connected = false;
    absl::Status status;
    int64_t num_experts = 0;
    uint64_t pairs = 0;
    double compute_seconds = 0;
  };
  std::vector<Worker> Describe() const;

  int num_workers() const { return static_cast<int>(channels_.size()); }
  ExpertChannel& channel(int worker) { return *channels_[static_cast<size_t>(worker)]; }
  WorkerLoad& load(int worker) { return *loads_[static_cast<size_t>(worker)]; }

 private:
  WorkerSet(int64_t num_layers, int64_t num_experts)
      : num_layers_(num_layers), num_experts_(num_experts) {}
  void AddLoad() { loads_.push_back(std::make_unique<WorkerLoad>()); }
  absl::Status MissingWorkers(const absl::Status& status) const;

  const int64_t num_layers_;
  const int64_t num_experts_;
  std::atomic<uint64_t> version_{1};  // grows when a link comes up or is lost
  uint64_t placed_version_ = 0;
  absl::StatusOr<Placement> placement_ = absl::UnavailableError("not placed yet");
  std::vector<std::unique_ptr<WorkerLoad>> loads_;
  std::vector<GrpcChannel*>
      remote_;  // those of channels_ that are links, in the same order; empty when local
  std::vector<std::unique_ptr<ExpertChannel>> channels_;  // last: their threads touch version_
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_SET_H_

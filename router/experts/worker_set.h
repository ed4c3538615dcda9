// WorkerSet: the workers that this router knows, their links, and the placement over those that are
// connected now. Workers are given at start, or join later; one that is gone keeps its place, and
// has it again when it is back at the same address.
//
// Thread rule: placement(), pace() and what sends by the engine's thread, or, before there is one,
// by the maker's; the rest is thread-safe.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_SET_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_SET_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/dispatch_inbox.h"
#include "expert_worker/channel/grpc_channel.h"
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
  // Addresses that a router ever knows. A link has a thread, and its series in /metrics.
  static constexpr int kWorkersMax = 512;

  struct RemoteOptions {
    std::vector<std::string> addresses;
    // Worker i of the n addresses that has no shard is told i/n, or i/nxC for C copies; 0: it is
    // left to a planner.
    int64_t copies = 1;
  };
  using ChannelMaker =
      std::function<std::unique_ptr<ExpertChannel>(int worker, DispatchInbox* inbox)>;

  // Experts in this process. host: not owned, outlives this, holds every expert.
  static std::unique_ptr<WorkerSet> Local(ExpertHost* host);
  // Connects to the addresses, and to those that join. Does not wait for them.
  static std::unique_ptr<WorkerSet> Remote(const Checkpoint& checkpoint, DType expert_format,
                                           const RemoteOptions& options);
  // Over channels of any kind, connected or not.
  static std::unique_ptr<WorkerSet> Over(int64_t num_layers, int64_t num_experts,
                                         const std::vector<ChannelMaker>& makers,
                                         WorkerPace::Options pace = {});

  // Until every expert has a home. FailedPrecondition: a worker of another model or format;
  // Unavailable: an expert has no home at the deadline.
  absl::Status WaitForHomes(absl::Time deadline) const;

  // A worker at `address`, which may be known already; its index. Requires a Remote set.
  // ResourceExhausted: kWorkersMax addresses are known.
  absl::StatusOr<int> Join(const std::string& address);

  // As of now. Valid until the next call.
  const Placement& placement();
  // What a step that needs `expert` is told: who is missing, and why.
  absl::Status OutageOf(ExpertId expert) const;

  struct Worker {
    std::string name;
    bool connected = false;
    absl::Status status;
    Shard held;
    uint64_t pairs = 0;
    double compute_seconds = 0;
  };
  std::vector<Worker> Describe() const;
  // The copies of the expert that has fewest.
  int64_t num_copies_min() {
    placement();
    return num_copies_min_;
  }

  // May grow at any time; placement() never names a worker beyond what this says afterwards.
  int num_workers() const { return num_workers_; }
  ExpertChannel& channel(int worker) { return *slot(worker).channel; }
  WorkerLoad& load(int worker) { return slot(worker).load; }
  WorkerPace& pace(int worker) { return slot(worker).pace; }
  DispatchInbox& inbox() { return inbox_; }
  int64_t num_layers() const { return num_layers_; }
  int64_t num_experts() const { return num_experts_; }

 private:
  struct Slot {
    explicit Slot(WorkerPace::Options options) : pace(options) {}
    WorkerLoad load;
    WorkerPace pace;
    uint64_t epoch = 0;  // of the link when it was placed
    std::unique_ptr<ExpertChannel> channel;
  };

  WorkerSet(int64_t num_layers, int64_t num_experts, WorkerPace::Options pace)
      : num_layers_(num_layers), num_experts_(num_experts), pace_options_(pace) {}
  void Add(const ChannelMaker& make);
  void AddLink(const std::string& address, const std::string& shard);
  Slot& slot(int worker) const { return *slots_[static_cast<size_t>(worker)]; }

  const int64_t num_layers_;
  const int64_t num_experts_;
  const WorkerPace::Options pace_options_;
  std::optional<ExpectedWorker> expected_;  // of a Remote set: its address is filled in
  DispatchInbox inbox_;

  // The engine's thread.
  bool placed_ = false;
  uint64_t placed_change_ = 0;  // of the inbox
  Placement placement_;
  int64_t num_copies_min_ = 0;

  std::mutex joining_;  // held by the one that adds a worker
  std::atomic<int> num_workers_{0};
  // Those below num_workers_ stay where they are. Last: the links' threads use the inbox.
  std::array<std::unique_ptr<Slot>, kWorkersMax> slots_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_SET_H_

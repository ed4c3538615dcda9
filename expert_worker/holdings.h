// Holdings: what this worker holds, who may change it, and what it says of itself.
//
// Experts come and go one by one while dispatches are computed: an expert is read from the model's
// file beside them, with a thread of its own, and put in its place between two. Who may have them
// moved is a planner that was granted the lease (PlannerLease).
//
// Thread-safe; one change at a time, others wait for it.
#ifndef COTERIE_EXPERT_WORKER_HOLDINGS_H_
#define COTERIE_EXPERT_WORKER_HOLDINGS_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "expert_worker/expert_host.h"
#include "expert_worker/metrics.h"
#include "expert_worker/planner_lease.h"
#include "expert_worker/shard.h"
#include "proto/expert.pb.h"

namespace coterie {

class Holdings {
 public:
  struct Options {
    int num_threads = 1;         // of the host's pool
    int64_t capacity_bytes = 0;  // of experts; 0: all of them fit
    // A guess of what is free, for planners: a shard that was asked for by name may be larger.
    bool capacity_is_guessed = false;
    std::string domain;  // what fails together; empty: this worker alone
  };

  // host and host_mu, which guards it, and metrics: not owned, outlive this.
  Holdings(ExpertHost* host, std::timed_mutex* host_mu, ExpertWorkerMetrics* metrics,
           Options options);

  // Holds these experts and no others. ResourceExhausted beyond a capacity that is not guessed,
  // before anything changes; else as ExpertHost::Load.
  absl::Status Load(const Shard& shard);

  // Grants `planner` the lease for `ttl`, or says false: it is another's.
  bool Lease(const std::string& planner, absl::Duration ttl);
  std::string lease_holder() const;
  // Loads those of `load` that are not held, then drops those of `drop` that are, all or none.
  // FailedPrecondition: `planner` has no lease; Cancelled: it has none any more, or `stop` says so;
  // ResourceExhausted beyond the capacity; else as LoadExpert. What was loaded stays.
  absl::Status Move(const std::string& planner, const Shard& load, const Shard& drop,
                    const std::function<bool()>& stop);

  // Says from now on that it is leaving, and waits while a planner gives its experts to others:
  // until nothing is held, nobody plans, or the deadline.
  void Leave(absl::Time deadline);

  // All but what the service knows: draining, loads. Does not wait for what is being computed.
  v1::WorkerDescription Describe() const;
  // Grows with every change of what is held.
  uint64_t version() const { return version_; }
  // As of one moment.
  void GetResident(std::string* bitmap, uint64_t* version) const;

 private:
  bool HasLease(const std::string& planner) const;
  absl::Status LoadMissing(const std::string& planner, const Shard& wanted,
                           const std::function<bool()>& stop);
  absl::Status Drop(const std::string& planner, const Shard& unwanted,
                    const std::function<bool()>& stop);
  void NoteChange();

  ExpertHost* const host_;
  std::timed_mutex* const host_mu_;
  ExpertWorkerMetrics* const metrics_;
  const int num_threads_;
  const int64_t capacity_bytes_;
  const bool capacity_is_guessed_;
  std::atomic<uint64_t> version_{0};

  std::mutex moving_;  // held by the one that changes what is held; before host_mu_ and mu_

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  v1::WorkerDescription description_;  // as of the last change
  PlannerLease lease_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_HOLDINGS_H_

// FaultyWorker: a worker and its link, simulated in this process, with the faults of a FaultPlan.
// It computes with a host that all share; ends come to the inbox from a thread of its own.
//
// Thread rule: as ExpertChannel; SetPlan by any thread.
#ifndef COTERIE_TESTS_TESTING_FAULTY_WORKER_H_
#define COTERIE_TESTS_TESTING_FAULTY_WORKER_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/dispatch_inbox.h"
#include "expert_worker/expert_host.h"
#include "tests/testing/fault_plan.h"

namespace coterie {

class FaultyWorker : public ExpertChannel {
 public:
  // host and inbox: not owned, outlive this; the host holds every expert and is computed with by
  // the engine's thread alone.
  FaultyWorker(ExpertHost* host, Shard shard, int worker, DispatchInbox* inbox);
  ~FaultyWorker() override;

  // From the next dispatch on. What went wrong before is mended.
  void SetPlan(FaultPlan plan);
  int64_t num_faults() const;
  // Dies, and stays dead until ComeBack.
  void Die();
  void ComeBack();

  const std::string& name() const override { return name_; }
  State state() const override;
  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch, absl::Duration timeout) override;
  void Reset(const absl::Status& reason) override;

 private:
  using Clock = std::chrono::steady_clock;

  // All of these require mu_.
  void At(Clock::time_point when, std::function<void()> action);
  DispatchEnd Answer(uint64_t id, const DispatchBatch& batch);
  void End(DispatchEnd end);
  void Lose(const absl::Status& reason, Clock::time_point back);
  Shard Half(bool first) const;

  void Run();

  ExpertHost* const host_;
  const Shard whole_;
  const int worker_;
  DispatchInbox* const inbox_;
  const std::string name_;

  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool stop_ = false;
  FaultPlan plan_{FaultPlan::Options{}};
  State state_;
  Shard held_;  // what it really holds
  Clock::time_point silent_until_{};
  uint64_t last_id_ = 0;
  int64_t num_faults_ = 0;
  std::set<uint64_t> pending_;
  std::multimap<Clock::time_point, std::function<void()>> actions_;
  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_FAULTY_WORKER_H_

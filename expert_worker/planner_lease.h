// PlannerLease: which planner may move this worker's experts, and until when. Routers that plan
// need no other agreement: each counts only on workers that have granted it theirs.
//
// Thread-compatible.
#ifndef COTERIE_EXPERT_WORKER_PLANNER_LEASE_H_
#define COTERIE_EXPERT_WORKER_PLANNER_LEASE_H_

#include <chrono>
#include <string>

namespace coterie {

class PlannerLease {
 public:
  using Clock = std::chrono::steady_clock;

  // True when it is `planner`'s for `ttl` from now; false while it is another's.
  bool Take(const std::string& planner, Clock::duration ttl, Clock::time_point now) {
    if (planner != holder_ && now < until_) return false;
    holder_ = planner;
    until_ = now + ttl;
    return true;
  }
  // Empty: nobody's.
  std::string Holder(Clock::time_point now) const { return now < until_ ? holder_ : ""; }

 private:
  std::string holder_;
  Clock::time_point until_{};
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_PLANNER_LEASE_H_

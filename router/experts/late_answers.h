// LateAnswers: dispatches that were given up, their rows answered by others or their step failed,
// and whose answers may still come. Late ones show that their worker is alive, and how quick it is;
// where none comes the link is made anew.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_EXPERTS_LATE_ANSWERS_H_
#define COTERIE_ROUTER_EXPERTS_LATE_ANSWERS_H_

#include <cstdint>
#include <vector>

#include "expert_worker/channel/dispatch_inbox.h"
#include "router/experts/worker_set.h"
#include "router/metrics.h"

namespace coterie {

class LateAnswers {
 public:
  using Clock = DispatchInbox::Clock;

  struct Awaited {
    int worker = 0;
    uint64_t id = 0;
    int64_t num_pairs = 0;
    Clock::time_point sent;
  };

  // Not owned, outlive this. `timeout`: a worker that has not answered by then hangs.
  LateAnswers(WorkerSet* workers, Clock::duration timeout, RouterMetrics* metrics)
      : workers_(workers), timeout_(timeout), metrics_(metrics) {}

  void Await(const Awaited& awaited) { awaited_.push_back(awaited); }
  // The end of a dispatch that nobody waits for; others are not known here and change nothing.
  void Take(const DispatchEnd& end);
  // All that has come.
  void TakeAll();
  // Nobody waits for these any more, so nobody else would notice that a worker hangs.
  void ResetHungLinks(Clock::time_point now);
  void ResetHung(int worker);

 private:
  WorkerSet* const workers_;
  const Clock::duration timeout_;
  RouterMetrics* const metrics_;
  std::vector<Awaited> awaited_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_LATE_ANSWERS_H_

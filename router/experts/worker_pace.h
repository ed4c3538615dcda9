// WorkerPace: how quickly one worker answers, and whether it is trusted with rows now. Pure
// bookkeeping; time is an argument.
//
// An answer is overdue after `silence_min` and several times what one of its size has taken of
// late. A worker that was overdue is a *suspect*: others that hold the same experts are asked
// first. It is cleared by its next answer, late or not, and a pause that doubles with every
// offence, so that one which is merely slow is not tried, and waited for, at every layer.
//
// Thread rule: owned by the engine's thread.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_PACE_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_PACE_H_

#include <chrono>
#include <cstdint>

namespace coterie {

class WorkerPace {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  struct Options {
    Seconds silence_min{0.1};  // an answer is never overdue before
    double patience = 8;       // times the expected
    Seconds round_trip{0.1};   // expected of a worker that has not answered yet
    Seconds per_pair{1e-3};    // and for each pair of a large dispatch
    Seconds pause_first{0.1}, pause_last{10};
    Seconds forget{30};  // offences are forgotten after so long without one
  };

  WorkerPace() : WorkerPace(Options()) {}
  explicit WorkerPace(Options options)
      : options_(options), round_trip_(options.round_trip), per_pair_(options.per_pair) {}

  // An answer to num_pairs pairs came, `took` after they were sent; the worker says that it
  // computed `cost` units (CopyChoice) for `compute`.
  void Answered(int64_t num_pairs, double cost, Seconds took, Seconds compute,
                Clock::time_point now);
  // It answered with an error.
  void Spoke(Clock::time_point now);
  // An answer did not come in time.
  void Overdue(Clock::time_point now);
  // The link is new: what was before does not count.
  void Connected();

  // From sending to when the answer is overdue.
  Clock::duration Patience(int64_t num_pairs) const;
  bool is_silent() const { return silent_; }
  bool is_suspect(Clock::time_point now) const { return silent_ || now < trusted_from_; }
  // Seconds that a unit of cost takes it; 0: not known yet.
  double seconds_per_cost() const { return seconds_per_cost_; }

 private:
  Seconds Expected(int64_t num_pairs) const;

  Options options_;
  // Small dispatches say what a round trip takes, large ones what a pair takes.
  Seconds round_trip_;
  Seconds per_pair_;
  double seconds_per_cost_ = 0;
  bool silent_ = false;
  int num_offences_ = 0;
  Clock::time_point last_offence_{}, trusted_from_{};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_PACE_H_

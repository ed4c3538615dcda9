// FaultPlan: what goes wrong with each dispatch to one simulated worker, drawn from a seed.
#ifndef COTERIE_TESTS_TESTING_FAULT_PLAN_H_
#define COTERIE_TESTS_TESTING_FAULT_PLAN_H_

#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>

namespace coterie {

enum class Fault {
  kNone,
  kDelay,       // answers of different dispatches change their order
  kDuplicate,   // the answer comes twice
  kBusy,        // refused: too much to do
  kDamaged,     // the answer fails its checksum
  kLostBefore,  // the connection breaks before the worker has computed
  kLostAfter,   // and after; the answer comes all the same, of an epoch that is gone
  kOlderShard,  // it restarts and holds half of what it held
  kDropped,     // it holds half of what it held, and the router does not know
  kStuck,       // it says nothing for a while, then all at once
};
inline constexpr int kNumFaults = 10;

class FaultPlan {
 public:
  struct Options {
    uint64_t seed = 0;
    double rate = 0;  // of dispatches with a fault
  };
  struct Event {
    Fault fault = Fault::kNone;
    std::chrono::microseconds after{0};  // until the answer, the loss, or the return
  };

  explicit FaultPlan(Options options) : options_(options), rng_(options.seed) {}

  Event Next() {
    if (std::uniform_real_distribution<>(0, 1)(rng_) >= options_.rate) return {};
    Event event;
    event.fault = static_cast<Fault>(std::uniform_int_distribution<>(1, kNumFaults - 1)(rng_));
    // From what a router sleeps through to what it must not wait for.
    const double exponent = std::uniform_real_distribution<>(1.5, 4.5)(rng_);
    event.after = std::chrono::microseconds(static_cast<int64_t>(std::pow(10, exponent)));
    return event;
  }

 private:
  Options options_;
  std::mt19937_64 rng_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_FAULT_PLAN_H_

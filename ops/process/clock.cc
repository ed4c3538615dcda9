#include "ops/process/clock.h"

namespace coterie {

using std::chrono::steady_clock;
using std::chrono::system_clock;

absl::Time MonotonicNow() {
  struct Start {
    absl::Time system = absl::FromChrono(system_clock::now());
    steady_clock::time_point steady = steady_clock::now();
  };
  static const Start start;
  return start.system + absl::FromChrono(steady_clock::now() - start.steady);
}

// Not by absl::Now, which follows a clock that was set only after a while.
system_clock::time_point ToSystemClock(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return system_clock::time_point::max();
  return absl::ToChronoTime(absl::FromChrono(system_clock::now()) + (deadline - MonotonicNow()));
}

absl::Time FromSystemClock(system_clock::time_point deadline) {
  if (deadline == system_clock::time_point::max()) return absl::InfiniteFuture();
  return MonotonicNow() + absl::FromChrono(deadline - system_clock::now());
}

}  // namespace coterie

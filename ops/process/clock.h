// The clock that timeouts go by. The system's clock may be set while a process runs, by hours, in
// either direction; then nothing here may end early or wait longer.
#ifndef COTERIE_OPS_PROCESS_CLOCK_H_
#define COTERIE_OPS_PROCESS_CLOCK_H_

#include <chrono>

#include "absl/time/time.h"

namespace coterie {

// The system's time when this was first called, and what has passed since by the monotonic clock.
// Of use within this process only: for times that people or other machines read there is
// absl::Now. Thread-safe.
absl::Time MonotonicNow();

// gRPC and the standard library give and take deadlines by the system's clock. `deadline` and the
// result are as far away; infinite ones stay so.
std::chrono::system_clock::time_point ToSystemClock(absl::Time deadline);
absl::Time FromSystemClock(std::chrono::system_clock::time_point deadline);

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_CLOCK_H_

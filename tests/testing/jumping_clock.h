// JumpingClock: a test sets the system's clock, as its own process sees it (libfaketime). The
// monotonic clock goes on as it is.
//
//   int main(int argc, char** argv) {
//     JumpingClock::RunUnderIt(argv);
//     testing::InitGoogleTest(&argc, argv);
//     return RUN_ALL_TESTS();
//   }
//   …JumpingClock::SetOffset(absl::Hours(-1));…
//
// Not under AddressSanitizer and ThreadSanitizer, which want to be loaded before anything else: the
// clock then stays as it is, and IsThere says so. Thread-safe.
#ifndef COTERIE_TESTS_TESTING_JUMPING_CLOCK_H_
#define COTERIE_TESTS_TESTING_JUMPING_CLOCK_H_

#include "absl/time/time.h"

namespace coterie {

class JumpingClock {
 public:
  // Starts this program again, under libfaketime; the second time it does nothing. Aborts when
  // libfaketime is not installed.
  static void RunUnderIt(char** argv);
  static bool IsThere();
  // To whole seconds, from the true time. Returns when the jump can be seen.
  static void SetOffset(absl::Duration offset);
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_JUMPING_CLOCK_H_

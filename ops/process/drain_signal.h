// SIGTERM and SIGINT as a request to drain: the first one is handed to whoever waits, the second
// ends the process at once. While there is nothing to finish, as during start, the first one ends
// it too.
//
// Requires: created by the main thread before any other thread, so that all threads inherit the
// blocked signals; one at a time. Guarantees: no code of ours runs in a signal handler.
// Thread-safe.
//
//   DrainSignal drain;
//   ... start everything ...
//   drain.Wait();
//   ... finish, hand over, leave ...
#ifndef COTERIE_OPS_PROCESS_DRAIN_SIGNAL_H_
#define COTERIE_OPS_PROCESS_DRAIN_SIGNAL_H_

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace coterie {

class DrainSignal {
 public:
  // `leave` is called with the number of a signal that ends the process at once, on a thread of
  // this class.
  explicit DrainSignal(std::function<void(int)> leave = ExitAtOnce);
  ~DrainSignal();
  DrainSignal(const DrainSignal&) = delete;
  DrainSignal& operator=(const DrainSignal&) = delete;

  // Returns when a drain has been asked for, by a signal or by Request().
  void Wait();

  // The same, giving up after `timeout`; true when a drain has been asked for.
  bool WaitFor(absl::Duration timeout);

  // Whether a first signal finds something to finish; true at first.
  void SetSomethingToFinish(bool something) { something_to_finish_ = something; }

  // Asks for a drain without a signal.
  void Request();

 private:
  static void ExitAtOnce(int signal);
  void Watch();

  const std::function<void(int)> leave_;
  std::atomic<bool> something_to_finish_{true};
  int signal_fd_ = -1;
  int stop_fd_ = -1;

  std::mutex mu_;
  std::condition_variable changed_;
  bool requested_ = false;  // guarded by mu_

  std::thread watcher_;
};

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_DRAIN_SIGNAL_H_

// Parallel: the pool of threads that a caller lends to CPU kernels. Kernels split their work over
// outputs only, so a result never depends on how many threads there are.
//
// Thread rule: one owner thread calls For at a time; the pool's own threads live as long as the
// object.
#ifndef COTERIE_KERNELS_PARALLEL_H_
#define COTERIE_KERNELS_PARALLEL_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace coterie {

class Parallel {
 public:
  // `num_threads` counts the caller. Whoever waits, for work or for the others to end, looks for
  // `spin_us` before it sleeps: a wake-up across cores costs about 50 us, and a token has some 300
  // parallel regions. Spinning longer keeps a core from threads that could use it, of this process
  // and of others: the system brings runnable threads to a core that sleeps, not to one that spins.
  explicit Parallel(int num_threads, int spin_us = 50);
  ~Parallel();
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls body(task) once for every task in [0, num_tasks), from any thread, in any order; returns
  // when all have returned.
  void For(int64_t num_tasks, absl::FunctionRef<void(int64_t task)> body);

 private:
  void Work();
  void RunTasks();
  // False when that did not come to be before it is time to sleep.
  bool SpinUntil(absl::FunctionRef<bool()> is_so);
  void WaitUntilNobodyIsInside();

  const std::chrono::microseconds spin_;
  std::mutex mu_;
  std::condition_variable wake_, left_;
  std::vector<std::thread> threads_;
  std::atomic<uint64_t> state_{0};  // of the call of For: parallel.cc
  std::atomic<bool> stop_{false};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> owner_sleeps_{false};
  std::atomic<int64_t> next_task_{0};
  int64_t num_tasks_ = 0;
  const absl::FunctionRef<void(int64_t)>* body_ = nullptr;
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_PARALLEL_H_

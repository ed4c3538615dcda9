// Parallel: the pool of threads that a caller lends to CPU kernels. Kernels split their work over
// outputs only, so a result never depends on how many threads there are.
//
// Thread rule: one owner thread calls For at a time; the pool's own threads live as long as the
// object.
#ifndef COTERIE_KERNELS_PARALLEL_H_
#define COTERIE_KERNELS_PARALLEL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace coterie {

class Parallel {
 public:
  // `num_threads` counts the caller. Idle threads look for work for `spin_us` before they sleep: a
  // wake-up across cores costs about 50 us, and a token has some 300 parallel regions; spinning
  // longer takes the core from other processes.
  explicit Parallel(int num_threads, int spin_us = 50);
  ~Parallel();
  Parallel(const Parallel&) = delete;
  Parallel& operator=(const Parallel&) = delete;

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls body(task) once for every task in [0, num_tasks), from any thread, in any order; returns
  // when all have returned.
  void For(int64_t num_tasks, absl::FunctionRef<void(int64_t task)> body);

 private:
  void Work(int spin_us);
  void RunTasks();

  std::mutex mu_;
  std::condition_variable wake_;
  std::vector<std::thread> threads_;
  std::atomic<uint64_t> generation_{0};  // counts calls of For; a change is the signal to work
  std::atomic<bool> stop_{false};
  std::atomic<int> sleepers_{0};
  std::atomic<int> busy_{0};  // pool threads that have not yet finished this generation
  std::atomic<int64_t> next_task_{0};
  int64_t num_tasks_ = 0;
  const absl::FunctionRef<void(int64_t)>* body_ = nullptr;
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_PARALLEL_H_

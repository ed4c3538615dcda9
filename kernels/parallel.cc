#include "kernels/parallel.h"

#include <chrono>

#include "kernels/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace coterie {
namespace {

constexpr int kPausesBeforeYield = 16;

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

// One turn of a waiting loop. After half a microsecond the core is offered to others at every turn:
// where there are more runnable threads than cores, the thread waited for may need this one, and so
// may an expert worker on the same machine.
void PauseOrYield(int spins) {
  if (spins < kPausesBeforeYield) {
    Pause();
  } else {
    std::this_thread::yield();
  }
}

}  // namespace

// Invariants. body_, num_tasks_ and next_task_ are written by the owner before generation_ grows
// and read by pool threads only after they have seen it grow; the owner returns only when busy_ is
// zero, so no pool thread reads them later. A sleeping thread is woken because it checks
// generation_ under mu_ after announcing itself in sleepers_, and the owner reads sleepers_ after
// growing it.
Parallel::Parallel(int num_threads, int spin_us) {
  CHECK_GE(num_threads, 1);
  for (int i = 1; i < num_threads; ++i) threads_.emplace_back([this, spin_us] { Work(spin_us); });
}

Parallel::~Parallel() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Parallel::For(int64_t num_tasks, absl::FunctionRef<void(int64_t task)> body) {
  if (threads_.empty() || num_tasks <= 1) {
    for (int64_t task = 0; task < num_tasks; ++task) body(task);
    return;
  }
  body_ = &body;
  num_tasks_ = num_tasks;
  next_task_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) {
    std::lock_guard<std::mutex> lock(mu_);
    wake_.notify_all();
  }
  RunTasks();
  for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; ++spins) PauseOrYield(spins);
}

void Parallel::RunTasks() {
  for (;;) {
    const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= num_tasks_) return;
    (*body_)(task);
  }
}

void Parallel::Work(int spin_us) {
  uint64_t seen = 0;
  for (;;) {
    const auto spin_end = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_us);
    int spins = 0;
    while (generation_.load(std::memory_order_acquire) == seen &&
           !stop_.load(std::memory_order_relaxed)) {
      PauseOrYield(spins);
      if (++spins % 64 != 0 || std::chrono::steady_clock::now() < spin_end) continue;
      std::unique_lock<std::mutex> lock(mu_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen || stop_.load(); });
      sleepers_.fetch_sub(1);
    }
    if (stop_.load(std::memory_order_relaxed)) return;
    ++seen;
    RunTasks();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace coterie

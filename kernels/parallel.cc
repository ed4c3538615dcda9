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

// How often a waiting loop turns between looks at the clock.
constexpr int kSpinsPerLook = 64;

// Of state_: the generation, whether it may still be entered, and how many pool threads are inside.
constexpr uint64_t kOneGeneration = uint64_t{1} << 32, kOpen = uint64_t{1} << 31,
                   kInside = kOpen - 1;

}  // namespace

// Invariants. body_, num_tasks_ and next_task_ are written by the owner while its generation is
// closed and nobody is inside, and read by pool threads only after they have entered. The owner
// closes the generation when no task is left to take, and returns when nobody is inside: a pool
// thread that has no core just then is not waited for, it finds the door closed. Who sleeps is
// woken because it checks state_ under mu_ after announcing itself (sleepers_, owner_sleeps_), and
// the other side reads the announcement after it has changed state_.
Parallel::Parallel(int num_threads, int spin_us) : spin_(spin_us) {
  CHECK_GE(num_threads, 1);
  for (int i = 1; i < num_threads; ++i) threads_.emplace_back([this] { Work(); });
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
  state_.store((state_.load(std::memory_order_relaxed) + kOneGeneration) | kOpen);
  if (sleepers_.load() > 0) {
    std::lock_guard<std::mutex> lock(mu_);
    wake_.notify_all();
  }
  RunTasks();
  state_.fetch_and(~kOpen);
  WaitUntilNobodyIsInside();
}

void Parallel::RunTasks() {
  for (;;) {
    const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= num_tasks_) return;
    (*body_)(task);
  }
}

bool Parallel::SpinUntil(absl::FunctionRef<bool()> is_so) {
  const auto end = std::chrono::steady_clock::now() + spin_;
  for (int spins = 1; !is_so(); ++spins) {
    PauseOrYield(spins);
    if (spins % kSpinsPerLook == 0 && std::chrono::steady_clock::now() >= end) return is_so();
  }
  return true;
}

void Parallel::WaitUntilNobodyIsInside() {
  const auto is_empty = [this] { return (state_.load() & kInside) == 0; };
  if (is_empty() || SpinUntil(is_empty)) return;
  std::unique_lock<std::mutex> lock(mu_);
  owner_sleeps_.store(true);
  left_.wait(lock, is_empty);
  owner_sleeps_.store(false);
}

void Parallel::Work() {
  uint64_t seen = 0;  // the generation that was left last
  const auto is_wanted = [&] {
    const uint64_t state = state_.load();
    return stop_.load() || ((state & kOpen) != 0 && state / kOneGeneration != seen);
  };
  for (;;) {
    if (!SpinUntil(is_wanted)) {
      std::unique_lock<std::mutex> lock(mu_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, is_wanted);
      sleepers_.fetch_sub(1);
    }
    if (stop_.load()) return;
    uint64_t state = state_.load();
    if ((state & kOpen) == 0 || !state_.compare_exchange_strong(state, state + 1)) continue;
    RunTasks();
    seen = state / kOneGeneration;
    const uint64_t before = state_.fetch_sub(1);
    if ((before & kInside) != 1 || !owner_sleeps_.load()) continue;
    std::lock_guard<std::mutex> lock(mu_);
    left_.notify_one();
  }
}

}  // namespace coterie

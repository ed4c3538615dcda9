// Pump: one thread that runs small pieces of work for the gRPC door: what the engine announces is
// turned into text and written there, so that neither the engine nor gRPC's threads do it.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_FRONTEND_PUMP_H_
#define COTERIE_ROUTER_FRONTEND_PUMP_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/time/time.h"

namespace coterie {

class Pump {
 public:
  // tick: called every `interval`, between the pieces of work.
  Pump(absl::Duration interval, std::function<void()> tick)
      : interval_(absl::ToChronoNanoseconds(interval)),
        tick_(std::move(tick)),
        thread_([this] { Run(); }) {}
  // Does what was posted before.
  ~Pump() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stopping_ = true;
    }
    posted_.notify_one();
    thread_.join();
  }

  // Any thread; quick.
  void Post(std::function<void()> work) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      work_.push_back(std::move(work));
    }
    posted_.notify_one();
  }

 private:
  void Run() {
    auto next_tick = std::chrono::steady_clock::now() + interval_;
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      posted_.wait_until(lock, next_tick, [&] { return stopping_ || !work_.empty(); });
      if (stopping_ && work_.empty()) return;
      std::deque<std::function<void()>> work = std::exchange(work_, {});
      lock.unlock();
      while (!work.empty()) {
        // What a piece holds goes when it is done, not with the last of them.
        const std::function<void()> piece = std::move(work.front());
        work.pop_front();
        piece();
      }
      if (const auto now = std::chrono::steady_clock::now(); now >= next_tick) {
        tick_();
        next_tick = now + interval_;
      }
      lock.lock();
    }
  }

  const std::chrono::nanoseconds interval_;
  const std::function<void()> tick_;
  std::mutex mu_;  // guards what follows
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_PUMP_H_

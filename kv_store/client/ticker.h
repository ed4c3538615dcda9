// Ticker: a thread that does something every so often, until it ends.
#ifndef COTERIE_KV_STORE_CLIENT_TICKER_H_
#define COTERIE_KV_STORE_CLIENT_TICKER_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace coterie {

class Ticker {
 public:
  Ticker(std::chrono::milliseconds interval, std::function<void()> tick)
      : thread_([this, interval, tick = std::move(tick)] {
          std::unique_lock<std::mutex> lock(mu_);
          while (!ended_.wait_until(lock, std::chrono::steady_clock::now() + interval,
                                    [this] { return has_ended_; })) {
            tick();
          }
        }) {}
  ~Ticker() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      has_ended_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mu_;
  std::condition_variable ended_;
  bool has_ended_ = false;  // guarded by mu_
  std::thread thread_;      // last: it uses the above
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_TICKER_H_

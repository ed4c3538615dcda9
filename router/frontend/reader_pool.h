// ReaderPool: the threads that read requests: parse, render, tokenise, compile schemas. For a long
// prompt that takes a while, and neither the doors' threads nor the engine shall wait for it. What
// waits to be read is bounded in bytes.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_FRONTEND_READER_POOL_H_
#define COTERIE_ROUTER_FRONTEND_READER_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "router/engine/retry_after.h"
#include "router/frontend/pump.h"

namespace coterie {

class ReaderPool {
 public:
  static constexpr int64_t kWaitingBytesMax = 256 << 20;

  ReaderPool() : readers_{{absl::Hours(1), [] {}}, {absl::Hours(1), [] {}}} {}

  // Runs `read` soon. ResourceExhausted, and `read` is dropped, when so much waits already.
  absl::Status Post(int64_t num_bytes, std::function<void()> read) {
    const int64_t charge = num_bytes + kBytesOfAny;
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (waiting_bytes_ + charge > kWaitingBytesMax) {
        return WithRetryAfter(
            absl::ResourceExhaustedError("too many requests wait to be read; try later"),
            absl::Seconds(1));
      }
      waiting_bytes_ += charge;
    }
    readers_[next_++ % 2].Post([this, charge, read = std::move(read)]() mutable {
      read();
      read = nullptr;
      std::lock_guard<std::mutex> lock(mu_);
      waiting_bytes_ -= charge;
      if (waiting_bytes_ == 0) idle_.notify_all();
    });
    return absl::OkStatus();
  }

  // Until nothing waits or runs. Whoever posts what uses it waits before it goes.
  void WaitUntilIdle() {
    std::unique_lock<std::mutex> lock(mu_);
    idle_.wait(lock, [&] { return waiting_bytes_ == 0; });
  }

 private:
  // A request costs something even if it is empty.
  static constexpr int64_t kBytesOfAny = 4 << 10;

  std::mutex mu_;  // guards waiting_bytes_
  std::condition_variable idle_;
  int64_t waiting_bytes_ = 0;
  std::atomic<unsigned> next_{0};
  Pump readers_[2];  // one may be busy with a book
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_READER_POOL_H_

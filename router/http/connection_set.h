// ConnectionSet: the open connections of a server.
#ifndef COTERIE_ROUTER_HTTP_CONNECTION_SET_H_
#define COTERIE_ROUTER_HTTP_CONNECTION_SET_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "absl/time/time.h"
#include "ops/process/clock.h"

namespace coterie {

class Connection;

// Thread-safe.
class ConnectionSet {
 public:
  // Both return how many are open then.
  int64_t Add(std::shared_ptr<Connection> connection) {
    std::lock_guard lock(mu_);
    open_.insert(std::move(connection));
    return static_cast<int64_t>(open_.size());
  }
  int64_t Remove(const std::shared_ptr<Connection>& connection) {
    std::lock_guard lock(mu_);
    open_.erase(connection);
    if (open_.empty()) emptied_.notify_all();
    return static_cast<int64_t>(open_.size());
  }
  int64_t size() const {
    std::lock_guard lock(mu_);
    return static_cast<int64_t>(open_.size());
  }
  std::vector<std::shared_ptr<Connection>> All() const {
    std::lock_guard lock(mu_);
    return {open_.begin(), open_.end()};
  }
  // Until none is open, or the deadline.
  void AwaitEmpty(absl::Time deadline) {
    std::unique_lock lock(mu_);
    const auto until =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
    emptied_.wait_until(lock, until, [&] { return open_.empty(); });
  }

 private:
  mutable std::mutex mu_;
  std::condition_variable emptied_;
  std::unordered_set<std::shared_ptr<Connection>> open_;  // guarded by mu_
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_CONNECTION_SET_H_

// PutQueue: objects that wait to be written, up to a bound in bytes; beyond it they are dropped,
// since nobody waits for a slow store. One reader; otherwise thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_PUT_QUEUE_H_
#define COTERIE_KV_STORE_CLIENT_PUT_QUEUE_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/object.h"
#include "ops/process/clock.h"

namespace coterie {

struct PutObject {
  ObjectName name;
  std::shared_ptr<const std::string> bytes;
};

class PutQueue {
 public:
  explicit PutQueue(size_t bytes_max) : bytes_max_(bytes_max) {}

  // False when it is full.
  bool Add(PutObject object) {
    std::lock_guard<std::mutex> lock(mu_);
    if (bytes_ + BytesOf(object) > bytes_max_) return false;
    bytes_ += BytesOf(object);
    ++num_added_;
    objects_.push_back(std::move(object));
    changed_.notify_all();
    return true;
  }

  // Waits for objects, and takes some: `bytes` if there are so many, one at least. Empty: closed.
  std::vector<PutObject> Take(size_t bytes, size_t count) {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return closed_ || !objects_.empty(); });
    std::vector<PutObject> taken;
    if (closed_) return taken;
    size_t taken_bytes = 0;
    while (!objects_.empty() && taken_bytes < bytes && taken.size() < count) {
      taken_bytes += objects_.front().bytes->size();
      taken.push_back(std::move(objects_.front()));
      objects_.pop_front();
    }
    return taken;
  }
  // What was taken is sent or dropped, and no longer counts.
  void Done(std::vector<PutObject> taken) {
    std::lock_guard<std::mutex> lock(mu_);
    for (const PutObject& object : taken) bytes_ -= BytesOf(object);
    num_done_ += taken.size();
    changed_.notify_all();
  }

  bool Flush(absl::Time deadline) {
    std::unique_lock<std::mutex> lock(mu_);
    const uint64_t added = num_added_;
    const auto until =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
    return changed_.wait_until(lock, until, [&] { return num_done_ >= added; });
  }
  void Close() {
    std::lock_guard<std::mutex> lock(mu_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  // Payload, name and place in the queue: that empty objects are bound too.
  static size_t BytesOf(const PutObject& object) { return object.bytes->size() + 256; }

  const size_t bytes_max_;

  std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  bool closed_ = false;
  std::deque<PutObject> objects_;
  size_t bytes_ = 0;
  uint64_t num_added_ = 0, num_done_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_PUT_QUEUE_H_

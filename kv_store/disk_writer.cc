#include "kv_store/disk_writer.h"

#include <chrono>
#include <utility>

#include "ops/process/clock.h"

namespace coterie {

DiskWriter::DiskWriter(size_t queue_bytes_max, std::function<void(const HeldObject&)> write)
    : queue_bytes_max_(queue_bytes_max), write_(std::move(write)) {
  thread_ = std::thread([this] { Run(); });
}

DiskWriter::~DiskWriter() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool DiskWriter::Offer(ObjectRef object) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (queue_bytes_ + object->payload().size() > queue_bytes_max_) return false;
    queue_bytes_ += object->payload().size();
    ++num_offered_;
    queue_.push_back(std::move(object));
  }
  changed_.notify_all();
  return true;
}

bool DiskWriter::Flush(absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mu_);
  const uint64_t offered = num_offered_;
  const auto until =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
  return changed_.wait_until(lock, until, [&] { return num_written_ >= offered; });
}

size_t DiskWriter::queue_bytes() const {
  std::lock_guard<std::mutex> lock(mu_);
  return queue_bytes_;
}

void DiskWriter::Run() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    ObjectRef object = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    write_(*object);
    const size_t bytes = object->payload().size();
    object = nullptr;
    lock.lock();
    queue_bytes_ -= bytes;
    ++num_written_;
    changed_.notify_all();
  }
}

}  // namespace coterie

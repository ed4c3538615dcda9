// DiskWriter: the thread that writes objects behind. It holds what waits for the disk, up to a
// bound in bytes; beyond it objects are not written at all, since nobody waits for a slow disk.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_DISK_WRITER_H_
#define COTERIE_KV_STORE_DISK_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"
#include "kv_store/memory_tier.h"

namespace coterie {

class DiskWriter {
 public:
  // write: called on the writer's thread.
  DiskWriter(size_t queue_bytes_max, std::function<void(const HeldObject&)> write);
  // What waits is not written.
  ~DiskWriter();
  DiskWriter(const DiskWriter&) = delete;
  DiskWriter& operator=(const DiskWriter&) = delete;

  // False when the queue is full.
  bool Offer(ObjectRef object);
  // Waits until all that was offered before is written; false at the deadline.
  bool Flush(absl::Time deadline);

  size_t queue_bytes() const;

 private:
  void Run();

  const size_t queue_bytes_max_;
  const std::function<void(const HeldObject&)> write_;

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::deque<ObjectRef> queue_;
  size_t queue_bytes_ = 0;
  uint64_t num_offered_ = 0, num_written_ = 0;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_DISK_WRITER_H_

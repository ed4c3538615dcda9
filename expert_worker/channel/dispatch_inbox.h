// DispatchInbox: where the ends of dispatches come in, from all channels of a router, in the order
// in which they happened.
//
//   while (const auto end = inbox.Next(until)) Take(*end);
//
// Thread rule: Next and WaitForChange by one thread, the engine's; the rest by any.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_DISPATCH_INBOX_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_DISPATCH_INBOX_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "kernels/rows.h"

namespace coterie {

// Outputs in the order of the pairs, each EncodedRowBytes(format, num_cols) bytes.
struct CombineBatch {
  RowFormat format = RowFormat::kBF16;
  int64_t num_cols = 0;
  int64_t num_pairs = 0;
  const std::byte* data = nullptr;
  double compute_seconds = 0;  // what the worker says it took
  double queue_seconds = 0;    // and how long other routers' dispatches kept it waiting
  const std::byte* row(int64_t pair) const {
    return data + pair * EncodedRowBytes(format, num_cols);
  }
};

// How one dispatch ended.
struct DispatchEnd {
  int worker = 0;
  uint64_t id = 0;
  absl::Status status;
  CombineBatch combine;                // when OK
  std::shared_ptr<const void> memory;  // what `combine` points into
  // When it came in; set by the inbox. The engine may look much later.
  std::chrono::steady_clock::time_point arrived{};
};

class DispatchInbox {
 public:
  using Clock = std::chrono::steady_clock;

  // spin: how long Next looks for an end before it sleeps. To be woken costs some 50 us, and every
  // layer of every token waits here; but a core that spins is one that the system gives to nobody
  // else, and on a machine that router and workers share, theirs is the work that is waited for.
  explicit DispatchInbox(std::chrono::microseconds spin = std::chrono::microseconds(100));

  void Put(DispatchEnd end);
  // A link came up or was lost.
  void NoteChange();

  // The oldest end; none when none has come by `until`.
  std::optional<DispatchEnd> Next(Clock::time_point until);

  // How many changes there were.
  uint64_t num_changes() const { return num_changes_; }
  // Until num_changes() is not `seen` any more, or `until`.
  void WaitForChange(uint64_t seen, Clock::time_point until);

 private:
  const std::chrono::microseconds spin_;
  std::atomic<uint64_t> num_put_{0}, num_changes_{0};
  uint64_t num_taken_ = 0;  // the reader's own
  std::mutex mu_;           // guards what follows
  std::condition_variable came_;
  std::deque<DispatchEnd> ends_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_DISPATCH_INBOX_H_

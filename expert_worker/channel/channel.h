// ExpertChannel: the router's end of one link to experts. What it carries is one layer's rows out
// (dispatch) and one row per (row, expert) pair back (combine), unweighted, so that results do not
// depend on who computed them.
//
// Several dispatches may be under way; replies are taken by id. Thread rule: Dispatch and Await
// belong to one thread, the engine's; an implementation has its own threads inside.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_CHANNEL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/rows.h"

namespace coterie {

// The most rows of one dispatch: twice the longest prefill chunk.
inline constexpr size_t kDispatchRowsMax = 8192;

// One layer's work for one worker. Row i of `rows` is sent once, however many of the worker's
// experts want it.
struct DispatchBatch {
  int64_t layer = 0;
  RowFormat format = RowFormat::kInt8;
  int64_t num_cols = 0;
  std::vector<const std::byte*>
      rows;  // encoded rows, not owned: valid until the reply has been taken or has failed
  std::vector<int32_t> pair_row;     // [num_pairs] index into rows
  std::vector<int32_t> pair_expert;  // [num_pairs] expert of that layer
};

// Outputs in the order of the pairs, each EncodedRowBytes(format, num_cols) bytes.
struct CombineBatch {
  RowFormat format = RowFormat::kBF16;
  int64_t num_cols = 0;
  int64_t num_pairs = 0;
  const std::byte* data = nullptr;  // owned by the channel until the next Dispatch or Await on it
  double compute_seconds = 0;       // what the worker says it took
  const std::byte* row(int64_t pair) const {
    return data + pair * EncodedRowBytes(format, num_cols);
  }
};

class ExpertChannel {
 public:
  virtual ~ExpertChannel() = default;

  virtual const std::string& name()
      const = 0;  // "local", or the worker's address: used in errors, logs and metrics

  // Starts the work and returns its id without waiting for the reply. The batch and its rows stay
  // alive until the reply has been taken or has failed. Unavailable when the worker is gone.
  virtual absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch) = 0;

  // Waits for the reply. Unavailable (names the worker) at once when the link is lost,
  // DeadlineExceeded at the deadline (the link is then made anew), DataLoss when a checksum does
  // not fit.
  virtual absl::StatusOr<CombineBatch> Await(uint64_t id, absl::Time deadline) = 0;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_CHANNEL_H_

// ExpertChannel: the router's end of one link to experts. What it carries is one layer's rows out
// (dispatch) and one row per (row, expert) pair back (combine), unweighted, so that results do not
// depend on who computed them.
//
// Every dispatch that was started ends exactly once, in the DispatchInbox that the channel was made
// with: with its outputs, or with the reason why there are none. Thread rule: Dispatch and Reset by
// one thread, the engine's; the rest by any. Nothing here waits.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_CHANNEL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "expert_worker/shard.h"
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
  std::vector<const std::byte*> rows;  // encoded rows, not owned
  std::vector<int32_t> pair_row;       // [num_pairs] index into rows
  std::vector<int32_t> pair_expert;    // [num_pairs] expert of that layer
};

// What a worker holds, as it says itself.
struct HeldReport {
  std::string instance;  // of the process; what another one said does not count
  uint64_t version = 0;  // grows with every change
  Shard held;
};

class ExpertChannel {
 public:
  struct State {
    bool connected = false;
    absl::Status status;  // why not: Unavailable, or FailedPrecondition for a worker of another
                          // model or format
    Shard resident;       // as it last said
    uint64_t epoch = 0;   // grows with every connection
  };

  virtual ~ExpertChannel() = default;

  // "local", or the worker's address: used in errors, logs and metrics.
  virtual const std::string& name() const = 0;
  virtual State state() const = 0;

  // Starts the work and returns its id, new on this channel. Its end comes to the inbox:
  // Unavailable (names the worker) at once when the link is lost; ResourceExhausted when the worker
  // has too much to do; NotFound when an expert is not there any more (the link has then learned
  // what is); DataLoss when a checksum does not fit; Internal when the worker says that
  // the dispatch is malformed. The batch and its rows stay alive until this returns. `timeout`:
  // after that nobody wants the answer. Unavailable when the link is down.
  virtual absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch, absl::Duration timeout) = 0;

  // A worker that hangs: the link is made anew, and until the worker answers again it counts as
  // gone. What is under way ends with `reason`.
  virtual void Reset(const absl::Status& reason) = 0;

  // What the worker holds now, from another call to it. What is older than what the link knows is
  // not taken. By any thread.
  virtual void Learn(const HeldReport&) {}
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_CHANNEL_H_

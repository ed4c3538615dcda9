// ObjectWriter: writes objects to one kv_store, behind everybody's back: they wait in a queue with
// a bound and are sent in batches by a thread of its own. What the node has already is not sent.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_OBJECT_WRITER_H_
#define COTERIE_KV_STORE_CLIENT_OBJECT_WRITER_H_

#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/client/node_calls.h"
#include "kv_store/client/object_frame.h"
#include "kv_store/client/put_queue.h"

namespace coterie {

class ObjectWriter {
 public:
  struct Counts {
    uint64_t stored = 0;
    uint64_t present = 0;  // were there already
    uint64_t dropped = 0;  // queue full, node gone, refused
  };

  // calls: outlives this. batch_timeout: of one batch.
  ObjectWriter(NodeCalls* calls, size_t queue_bytes, absl::Duration batch_timeout);
  ~ObjectWriter();
  // In two steps, so that the calls can be ended between them: takes no more; returns when the
  // thread has ended.
  void BeginClosing() { queue_.Close(); }
  void Close();

  // False: the queue is full or the node is left alone.
  bool Put(PutObject object);
  // Waits until what was put before has been sent or dropped; false at the deadline.
  bool Flush(absl::Time deadline) { return queue_.Flush(deadline); }
  Counts counts() const { return {stored_, present_, dropped_}; }

 private:
  void Run();
  // How many the node has now.
  size_t Write(const std::vector<PutObject>& batch);
  // False: the call is over.
  static bool WritePieces(grpc::ClientWriter<ObjectFrame>* stream, SharedRing* ring,
                          std::span<const char> payload, const std::function<bool()>& give_up,
                          ObjectFrame* frame);
  absl::StatusOr<std::vector<bool>> Find(const std::vector<PutObject>& batch, absl::Time deadline);

  NodeCalls* const calls_;
  const absl::Duration batch_timeout_;
  const grpc::internal::RpcMethod method_;
  PutQueue queue_;
  std::atomic<uint64_t> stored_{0}, present_{0}, dropped_{0};
  std::thread thread_;  // last: it uses the above
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_OBJECT_WRITER_H_

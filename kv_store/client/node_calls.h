// NodeCalls: the calls of a client to one kv_store: how they begin, how they end, what their ends
// say about the node. A node that fails or hangs is left alone for a while, doubling. Also the
// window over which the two share memory, where they can.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_NODE_CALLS_H_
#define COTERIE_KV_STORE_CLIENT_NODE_CALLS_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "kv_store/client/call_set.h"
#include "kv_store/client/shared_link.h"
#include "ops/process/clock.h"
#include "proto/kv.grpc.pb.h"

namespace coterie {

template <typename Request, typename Reply>
struct UnaryCall {
  std::unique_ptr<grpc::ClientContext> context = std::make_unique<grpc::ClientContext>();
  Request request;
  Reply reply;
};

class NodeCalls {
 public:
  struct Options {
    std::string address;
    absl::Duration rest_first, rest_last;
  };

  explicit NodeCalls(Options options);
  // Ends what is under way with Cancelled, and returns when none is left; none begins any more.
  void Close();
  bool is_closing() const { return is_closing_; }

  // False while the node is left alone.
  bool IsUsable() const;
  uint64_t num_failed() const { return num_failed_; }

  // False when it is not to begin: all is closing.
  bool Begin(grpc::ClientContext* context, absl::Time deadline);
  // What a call's end says about the node.
  absl::Status Note(const grpc::Status& status);
  // The last that a call does.
  void End(std::unique_ptr<grpc::ClientContext> context) { calls_.End(std::move(context)); }

  // To be called now and then: ends those that their deadline has not.
  void CancelOverdue() { calls_.CancelOverdue(MonotonicNow()); }

  // Of calls whose answer nobody waits for. False also when the node is left alone, or too many are
  // under way.
  bool BeginNote(grpc::ClientContext* context);
  void EndNote(const grpc::Status& status, std::unique_ptr<grpc::ClientContext> context);

  // As Begin; then the region that the call may use, which its metadata now names, or null.
  bool BeginWithWindow(grpc::ClientContext* context, absl::Time deadline,
                       std::unique_ptr<SharedLink::Lease>* lease);
  bool SharesMemory() const { return shared_.IsOpen(); }
  // Hands a window to the node if it has none and takes some; for the calls that come then. A call
  // that could use one does so too.
  void OpenWindow();

  static absl::Status Closing() { return absl::CancelledError("the store is closing"); }
  // For messages.
  std::string Name() const;
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::KvStore::Stub& stub() const { return *stub_; }

 private:
  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::KvStore::Stub> stub_;
  SharedLink shared_;
  std::atomic<bool> is_closing_{false};
  std::atomic<int> num_notes_{0};
  std::atomic<uint64_t> num_failed_{0};

  mutable std::mutex mu_;  // guards what follows
  absl::Duration rest_;
  absl::Time rest_until_ = absl::InfinitePast();

  CallSet calls_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_NODE_CALLS_H_

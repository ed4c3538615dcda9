// GrpcChannel: the router's end of the link to one expert worker, for the life of the router. A
// thread of its own keeps the link: it connects, checks that the worker speaks of the same model
// and format, tells it its shard if it has none, sees frames out and answers in, and connects again
// when the link is lost.
//
// Thread rule: Dispatch by the engine's thread; it does not wait for the network. The rest is
// thread-safe.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_GRPC_CHANNEL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_GRPC_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/dispatch_inbox.h"
#include "expert_worker/channel/handshake.h"

namespace coterie {

class GrpcChannel : public ExpertChannel {
 public:
  struct Options {
    ExpectedWorker worker;  // its address: host:port or unix:path
    std::string shard;      // told to a worker that has none; empty: leave it
    absl::Duration describe_timeout = absl::Seconds(5);
    absl::Duration load_timeout = absl::Minutes(10);
    absl::Duration retry_first = absl::Milliseconds(50);
    absl::Duration retry_last = absl::Seconds(1);
  };

  // inbox: not owned, outlives this. `worker` is what ends are marked with.
  GrpcChannel(Options options, int worker, DispatchInbox* inbox);
  ~GrpcChannel() override;

  const std::string& name() const override;
  State state() const override;
  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch, absl::Duration timeout) override;
  void Reset(const absl::Status& reason) override;
  void Learn(const HeldReport& report) override;

  // Waits for the first verdict: OK when connected, FailedPrecondition as soon as the worker turns
  // out to be unfit, Unavailable at the deadline.
  absl::Status WaitConnected(absl::Time deadline);

 private:
  class Link;
  const std::unique_ptr<Link> link_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_GRPC_CHANNEL_H_

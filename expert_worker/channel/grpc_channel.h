// GrpcChannel: the router's end of the link to one expert worker, for the life of the router. A
// thread of its own keeps the link: it connects, checks that the worker speaks of the same model
// and format, tells it its shard if it has none, reads replies, and connects again when the link is
// lost.
//
// Thread rule: Dispatch and Await by the engine's thread; the rest is thread-safe.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_GRPC_CHANNEL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_GRPC_CHANNEL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "expert_worker/channel/channel.h"
#include "expert_worker/shard.h"

namespace coterie {

class GrpcChannel : public ExpertChannel {
 public:
  struct Options {
    std::string address;       // host:port or unix:path
    std::string model_digest;  // what the worker must say
    std::string expert_format;
    int64_t num_layers = 0;
    int64_t num_experts = 0;
    int64_t model_dim = 0;
    std::string shard;  // told to a worker that has none; empty: leave it
    absl::Duration describe_timeout = absl::Seconds(5);
    absl::Duration load_timeout = absl::Minutes(10);
    absl::Duration send_timeout =
        absl::Seconds(10);  // a worker that takes no bytes for so long is given up
    // How long Await looks for an answer before it sleeps; it offers its core to others meanwhile.
    std::chrono::microseconds spin = std::chrono::microseconds(2000);
    absl::Duration retry_first = absl::Milliseconds(50);
    absl::Duration retry_last = absl::Seconds(1);
    // Called from the channel's thread after the link came up or was lost.
    std::function<void()> on_change;
  };

  struct State {
    bool connected = false;
    absl::Status status;  // why not: Unavailable, or FailedPrecondition for a worker of another
                          // model or format
    Shard resident;       // as of the last connection
  };

  explicit GrpcChannel(Options options);
  ~GrpcChannel() override;

  const std::string& name() const override;
  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch) override;
  absl::StatusOr<CombineBatch> Await(uint64_t id, absl::Time deadline) override;

  State state() const;
  // Waits for the first verdict: OK when connected, FailedPrecondition as soon as the worker turns
  // out to be unfit, Unavailable at the deadline.
  absl::Status WaitConnected(absl::Time deadline);

 private:
  class Link;
  const std::unique_ptr<Link> link_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_GRPC_CHANNEL_H_

// LoopbackChannel: the wire taken out. Experts of this very process, computed when the reply is
// asked for, by the thread and the pool of the caller: the same rows, the same rounding of outputs,
// the same bits as from a worker.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_LOOPBACK_CHANNEL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_LOOPBACK_CHANNEL_H_

#include <string>

#include "expert_worker/channel/channel.h"
#include "expert_worker/expert_host.h"

namespace coterie {

class LoopbackChannel : public ExpertChannel {
 public:
  // host: not owned, outlives this; nobody else computes with it meanwhile.
  explicit LoopbackChannel(ExpertHost* host) : host_(host) {}

  const std::string& name() const override { return name_; }
  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch) override;
  absl::StatusOr<CombineBatch> Await(uint64_t id, absl::Time deadline) override;

 private:
  ExpertHost* const host_;
  const std::string name_ = "local";
  uint64_t last_id_ = 0;
  const DispatchBatch* batch_ =
      nullptr;  // of last_id_, until it is awaited; the dispatcher keeps it alive
  Buffer output_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_LOOPBACK_CHANNEL_H_

// LoopbackChannel: the wire taken out. Experts of this very process, computed at once by the thread
// and the pool of the caller: the same rows, the same rounding of outputs, the same bits as from a
// worker.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_LOOPBACK_CHANNEL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_LOOPBACK_CHANNEL_H_

#include <memory>
#include <string>

#include "expert_worker/channel/channel.h"
#include "expert_worker/channel/dispatch_inbox.h"
#include "expert_worker/expert_host.h"

namespace coterie {

class LoopbackChannel : public ExpertChannel {
 public:
  // host and inbox: not owned, outlive this; nobody else computes with the host meanwhile.
  // `worker` is what ends are marked with.
  LoopbackChannel(ExpertHost* host, int worker, DispatchInbox* inbox);

  const std::string& name() const override { return name_; }
  State state() const override;
  absl::StatusOr<uint64_t> Dispatch(const DispatchBatch& batch, absl::Duration timeout) override;
  void Reset(const absl::Status& /*reason*/) override {}  // nothing is ever under way

 private:
  ExpertHost* const host_;
  const int worker_;
  DispatchInbox* const inbox_;
  const std::string name_ = "local";
  uint64_t last_id_ = 0;
  std::shared_ptr<Buffer> output_;  // made anew while somebody still reads the last one
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_LOOPBACK_CHANNEL_H_

// AnswerReactor: an AnswerWriter whose stream is a call of gRPC's callback API.
#ifndef COTERIE_ROUTER_FRONTEND_ANSWER_REACTOR_H_
#define COTERIE_ROUTER_FRONTEND_ANSWER_REACTOR_H_

#include <grpcpp/grpcpp.h>

#include "ops/process/clock.h"
#include "router/frontend/answer_writer.h"
#include "router/frontend/grpc_status.h"

namespace coterie {

template <typename Reply>
class AnswerReactor final : public AnswerWriter<Reply>, public grpc::ServerWriteReactor<Reply> {
 public:
  AnswerReactor(grpc::CallbackServerContext* context, Pump* pump)
      : AnswerWriter<Reply>(pump), context_(context) {}

  void OnWriteDone(bool ok) override { this->Written(ok); }
  void OnCancel() override {
    this->Cancel(FromSystemClock(context_->deadline()) <= MonotonicNow()
                     ? absl::DeadlineExceededError("the deadline passed")
                     : absl::CancelledError("cancelled by the client"));
  }
  void OnDone() override { this->Release(); }

 private:
  void BeginWrite(const Reply* reply) override { this->StartWrite(reply); }
  void End(const absl::Status& status) override {
    AddRetryAfter(status, context_);
    this->Finish(ToGrpc(status));
  }
  void DropCaller() override { context_->TryCancel(); }

  grpc::CallbackServerContext* const context_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_ANSWER_REACTOR_H_

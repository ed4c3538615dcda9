// CallGate: who may come in. Each call holds a thread, so their number has a bound; a node that
// drains lets those in hand end and takes no more.
//
//   const CallGate::Pass pass = gate.Enter(context);
//   if (!pass.status().ok()) return pass.status();
//
// Thread-safe; outlives its passes.
#ifndef COTERIE_KV_STORE_CALL_GATE_H_
#define COTERIE_KV_STORE_CALL_GATE_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "absl/time/time.h"

namespace coterie {

class CallGate {
 public:
  class Pass {
   public:
    Pass(CallGate* gate, grpc::Status status) : gate_(gate), status_(std::move(status)) {}
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
      if (status_.ok()) gate_->Leave();
    }
    const grpc::Status& status() const { return status_; }

   private:
    CallGate* const gate_;
    const grpc::Status status_;
  };

  explicit CallGate(int calls_max) : calls_max_(calls_max) {}

  // UNAVAILABLE when closed, RESOURCE_EXHAUSTED when full, UNIMPLEMENTED for a call of another
  // version of the wire, INVALID_ARGUMENT for one without a deadline: it could stay for ever.
  Pass Enter(const grpc::ServerContext& context) { return {this, TryEnter(context)}; }
  // A call that was let in and is not what it should be; counted.
  grpc::Status Refuse(const std::string& what) {
    ++num_refused_;
    return {grpc::StatusCode::INVALID_ARGUMENT, what};
  }

  // Lets nobody in, and returns when all have left, or at the deadline.
  void Close(absl::Time deadline);

  int num_calls() const;
  uint64_t num_refused() const { return num_refused_; }

 private:
  grpc::Status TryEnter(const grpc::ServerContext& context);
  void Leave();

  const int calls_max_;
  std::atomic<uint64_t> num_refused_{0};

  mutable std::mutex mu_;  // guards what follows
  std::condition_variable left_;
  bool closed_ = false;
  int num_calls_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CALL_GATE_H_

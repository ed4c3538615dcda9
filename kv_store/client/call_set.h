// CallSet: the calls that are under way, so that all can be ended, and each when it is overdue.
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_CALL_SET_H_
#define COTERIE_KV_STORE_CLIENT_CALL_SET_H_

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "absl/time/time.h"

namespace coterie {

class CallSet {
 public:
  // False when the set is closed: the call is not to begin. deadline: of MonotonicNow.
  bool Add(grpc::ClientContext* context, absl::Time deadline) {
    std::lock_guard<std::mutex> lock(mu_);
    if (closed_) return false;
    calls_.emplace(context, deadline);
    ++num_calls_;
    return true;
  }
  // The last that a call does. Its context goes before the call is counted out: a context holds its
  // channel, and a channel must not end on a thread of gRPC's own, which it would wait for.
  void End(std::unique_ptr<grpc::ClientContext> context) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      calls_.erase(context.get());
    }
    context = nullptr;
    std::lock_guard<std::mutex> lock(mu_);
    if (--num_calls_ == 0) empty_.notify_all();
  }
  // gRPC waits for deadlines by the system's clock: where that was set back they pass late, by as
  // much.
  void CancelOverdue(absl::Time now) {
    std::lock_guard<std::mutex> lock(mu_);
    for (const auto& [context, deadline] : calls_) {
      if (now >= deadline) context->TryCancel();
    }
  }
  // Cancels all and waits for their ends.
  void Close() {
    std::unique_lock<std::mutex> lock(mu_);
    closed_ = true;
    for (const auto& [context, _] : calls_) context->TryCancel();
    empty_.wait(lock, [&] { return num_calls_ == 0; });
  }

 private:
  std::mutex mu_;  // guards what follows
  std::condition_variable empty_;
  bool closed_ = false;
  std::map<grpc::ClientContext*, absl::Time> calls_;  // those that can be cancelled
  int num_calls_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_CALL_SET_H_

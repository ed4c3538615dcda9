// CallSet: the calls that are under way, so that all can be ended. Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_CALL_SET_H_
#define COTERIE_KV_STORE_CLIENT_CALL_SET_H_

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

namespace coterie {

class CallSet {
 public:
  // False when the set is closed: the call is not to begin.
  bool Add(grpc::ClientContext* context) {
    std::lock_guard<std::mutex> lock(mu_);
    if (closed_) return false;
    calls_.insert(context);
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
  // Cancels all and waits for their ends.
  void Close() {
    std::unique_lock<std::mutex> lock(mu_);
    closed_ = true;
    for (grpc::ClientContext* context : calls_) context->TryCancel();
    empty_.wait(lock, [&] { return num_calls_ == 0; });
  }

 private:
  std::mutex mu_;  // guards what follows
  std::condition_variable empty_;
  bool closed_ = false;
  std::set<grpc::ClientContext*> calls_;  // those that can be cancelled
  int num_calls_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_CALL_SET_H_

// MessagePool: protobuf messages whose memory serves again. A frame of a long prompt has megabytes,
// and fresh ones cost a page fault for every 4 KiB.
//
// Thread-safe. Messages that are still held when the pool goes are freed with their last holder.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_MESSAGE_POOL_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_MESSAGE_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace coterie {

template <typename Message>
class MessagePool {
 public:
  // Keeps at most `spares_max` messages that nobody holds.
  explicit MessagePool(size_t spares_max) : spares_(std::make_shared<Spares>(spares_max)) {}

  // What it held before is still in it. Comes back by itself.
  std::shared_ptr<Message> Take() {
    std::unique_ptr<Message> message = spares_->Take();
    if (message == nullptr) message = std::make_unique<Message>();
    return std::shared_ptr<Message>(message.release(), [spares = spares_](Message* returned) {
      spares->Put(std::unique_ptr<Message>(returned));
    });
  }

 private:
  class Spares {
   public:
    explicit Spares(size_t spares_max) : spares_max_(spares_max) {}
    std::unique_ptr<Message> Take() {
      std::lock_guard<std::mutex> lock(mu_);
      if (messages_.empty()) return nullptr;
      std::unique_ptr<Message> message = std::move(messages_.back());
      messages_.pop_back();
      return message;
    }
    void Put(std::unique_ptr<Message> message) {
      std::lock_guard<std::mutex> lock(mu_);
      if (messages_.size() < spares_max_) messages_.push_back(std::move(message));
    }

   private:
    const size_t spares_max_;
    std::mutex mu_;
    std::vector<std::unique_ptr<Message>> messages_;  // guarded by mu_
  };

  const std::shared_ptr<Spares> spares_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_MESSAGE_POOL_H_

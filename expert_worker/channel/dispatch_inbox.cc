#include "expert_worker/channel/dispatch_inbox.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace coterie {

DispatchInbox::DispatchInbox(std::chrono::microseconds spin) : spin_(spin) {}

void DispatchInbox::Put(DispatchEnd end) {
  end.arrived = Clock::now();
  {
    std::lock_guard<std::mutex> lock(mu_);
    ends_.push_back(std::move(end));
    ++num_put_;
  }
  came_.notify_all();
}

void DispatchInbox::NoteChange() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++num_changes_;
  }
  came_.notify_all();
}

std::optional<DispatchEnd> DispatchInbox::Next(Clock::time_point until) {
  if (num_put_ == num_taken_) {
    const auto spin_until = std::min(until, Clock::now() + spin_);
    while (num_put_ == num_taken_ && Clock::now() < spin_until) std::this_thread::yield();
  }
  std::unique_lock<std::mutex> lock(mu_);
  if (!came_.wait_until(lock, until, [&] { return !ends_.empty(); })) return std::nullopt;
  DispatchEnd end = std::move(ends_.front());
  ends_.pop_front();
  ++num_taken_;
  return end;
}

void DispatchInbox::WaitForChange(uint64_t seen, Clock::time_point until) {
  std::unique_lock<std::mutex> lock(mu_);
  came_.wait_until(lock, until, [&] { return num_changes_ != seen; });
}

}  // namespace coterie

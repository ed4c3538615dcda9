#include "router/engine/outage_wait.h"

#include <chrono>

#include "ops/process/clock.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

// How soon requests that wait notice a cancellation or their deadline.
constexpr std::chrono::milliseconds kTick(20);

}  // namespace

void OutageWait::Begin(ExpertId expert, absl::Status status) {
  expert_ = expert;
  status_ = std::move(status);
  if (under_way()) return WaitForChange(workers_->inbox().num_changes());
  since_ = MonotonicNow();
  LogWarning("requests wait for an expert", {{"reason", status_.message()}, {"at_most", at_most_}});
}

void OutageWait::End() {
  if (!under_way()) return;
  LogInfo("experts are back, or nobody waits", {{"after", MonotonicNow() - since_}});
  since_ = absl::InfinitePast();
}

bool OutageWait::Lasts() {
  if (!under_way()) return false;
  const uint64_t seen = workers_->inbox().num_changes();
  if (!workers_->placement().copies(expert_.layer, expert_.expert).empty()) return false;
  status_ = workers_->OutageOf(expert_);
  WaitForChange(seen);
  return true;
}

void OutageWait::WaitForChange(uint64_t seen) {
  const absl::Time begin = MonotonicNow();
  workers_->inbox().WaitForChange(seen, std::chrono::steady_clock::now() + kTick);
  waited_ += MonotonicNow() - begin;
}

}  // namespace coterie

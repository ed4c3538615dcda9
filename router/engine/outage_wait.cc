#include "router/engine/outage_wait.h"

#include <chrono>
#include <utility>

#include "ops/process/log.h"

namespace coterie {
namespace {

// How soon requests that wait notice a cancellation or their deadline.
constexpr std::chrono::milliseconds kTick(20);

}  // namespace

void OutageWait::Begin(ExpertId expert, absl::Status status) {
  expert_ = expert;
  status_ = std::move(status);
  if (under_way()) return;
  since_ = absl::Now();
  LogWarning("requests wait for an expert", {{"reason", status_.message()}, {"at_most", at_most_}});
}

absl::Duration OutageWait::End() {
  if (!under_way()) return absl::ZeroDuration();
  const absl::Duration took = absl::Now() - since_;
  LogInfo("experts are back", {{"after", took}});
  since_ = absl::InfinitePast();
  return took;
}

bool OutageWait::Lasts() {
  if (!under_way()) return false;
  const uint64_t seen = workers_->inbox().num_changes();
  if (!workers_->placement().copies(expert_.layer, expert_.expert).empty()) return false;
  status_ = workers_->OutageOf(expert_);
  if (!IsOver()) workers_->inbox().WaitForChange(seen, std::chrono::steady_clock::now() + kTick);
  return true;
}

}  // namespace coterie

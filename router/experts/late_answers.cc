#include "router/experts/late_answers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace coterie {

using Seconds = WorkerPace::Seconds;

void LateAnswers::Take(const DispatchEnd& end) {
  const auto at = std::find_if(awaited_.begin(), awaited_.end(), [&](const Awaited& awaited) {
    return awaited.worker == end.worker && awaited.id == end.id;
  });
  if (at == awaited_.end()) return;
  const Awaited late = *at;
  awaited_.erase(at);
  const Clock::time_point now = Clock::now();
  if (!end.status.ok()) return workers_->pace(end.worker).Spoke(now);
  workers_->pace(end.worker)
      .Answered(late.num_pairs, 0, end.arrived - late.sent, Seconds(end.combine.compute_seconds),
                now);
  metrics_->CountLate(end.worker);
}

void LateAnswers::TakeAll() {
  while (const auto end = workers_->inbox().Next(Clock::time_point::min())) Take(*end);
}

void LateAnswers::ResetHungLinks(Clock::time_point now) {
  std::vector<int> hung;
  std::erase_if(awaited_, [&](const Awaited& awaited) {
    if (now - awaited.sent <= timeout_) return false;
    hung.push_back(awaited.worker);
    return true;
  });
  for (const int worker : hung) ResetHung(worker);
}

void LateAnswers::ResetHung(int worker) {
  ExpertChannel& channel = workers_->channel(worker);
  channel.Reset(absl::DeadlineExceededError(
      absl::StrCat("expert worker ", channel.name(), ": no answer to a dispatch in ",
                   absl::FormatDuration(absl::FromChrono(timeout_)))));
}

}  // namespace coterie

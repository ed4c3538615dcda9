#include "tests/testing/faulty_worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {

FaultyWorker::FaultyWorker(ExpertHost* host, Shard shard, int worker, DispatchInbox* inbox)
    : host_(host),
      whole_(std::move(shard)),
      worker_(worker),
      inbox_(inbox),
      name_(absl::StrCat("simulated:", worker)),
      state_({.connected = true, .resident = whole_, .epoch = 1}),
      held_(whole_),
      thread_([this] { Run(); }) {}

FaultyWorker::~FaultyWorker() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void FaultyWorker::SetPlan(FaultPlan plan) {
  std::lock_guard<std::mutex> lock(mu_);
  Lose(absl::UnavailableError(name_), Clock::now());
  plan_ = std::move(plan);
  silent_until_ = {};
  actions_.clear();
  held_ = whole_;
  state_ = {.connected = true, .resident = whole_, .epoch = state_.epoch + 1};
  inbox_->NoteChange();
}

int64_t FaultyWorker::num_faults() const {
  std::lock_guard<std::mutex> lock(mu_);
  return num_faults_;
}

void FaultyWorker::Die() {
  std::lock_guard<std::mutex> lock(mu_);
  Lose(absl::UnavailableError(absl::StrCat(name_, ": dead")), Clock::time_point::max());
}

void FaultyWorker::ComeBack() { SetPlan(FaultPlan(FaultPlan::Options{})); }

ExpertChannel::State FaultyWorker::state() const {
  std::lock_guard<std::mutex> lock(mu_);
  return state_;
}

DispatchEnd FaultyWorker::Answer(uint64_t id, const DispatchBatch& batch) {
  DispatchEnd end{.worker = worker_, .id = id};
  for (const int32_t expert : batch.pair_expert) {
    if (!held_.Holds(batch.layer, expert)) {
      end.status = absl::NotFoundError(absl::StrCat(name_, ": expert ", expert, " is not here"));
      return end;
    }
  }
  end.combine = {.format = host_->output_format(),
                 .num_cols = batch.num_cols,
                 .num_pairs = static_cast<int64_t>(batch.pair_row.size())};
  auto output = std::make_shared<std::vector<std::byte>>(
      static_cast<size_t>(end.combine.num_pairs * host_->output_row_bytes()));
  host_->Compute(batch, output->data());
  end.combine.data = output->data();
  end.memory = std::move(output);
  return end;
}

absl::StatusOr<uint64_t> FaultyWorker::Dispatch(const DispatchBatch& batch,
                                                absl::Duration /*timeout*/) {
  CHECK(host_->Validate(batch).ok());
  std::lock_guard<std::mutex> lock(mu_);
  if (!state_.connected) return state_.status;
  const uint64_t id = ++last_id_;
  pending_.insert(id);
  const FaultPlan::Event event = plan_.Next();
  num_faults_ += event.fault == Fault::kNone ? 0 : 1;
  const Clock::time_point now = Clock::now(), then = now + event.after;
  const absl::Status lost = absl::UnavailableError(absl::StrCat(name_, ": connection lost"));
  if (event.fault == Fault::kStuck) silent_until_ = std::max(silent_until_, then);
  if (event.fault == Fault::kDropped) {
    held_ = Half(id % 2 == 0);
    At(then, [this, lost] {
      held_ = whole_;
      // A connection made meanwhile was told of half.
      if (state_.resident.num_held() != whole_.num_held()) Lose(lost, Clock::now());
    });
  }
  DispatchEnd end = Answer(id, batch);
  const Clock::time_point spoken = std::max(now, silent_until_);
  switch (event.fault) {
    case Fault::kNone:
    case Fault::kStuck:
    case Fault::kDropped:
      At(spoken, [this, end] {
        End(end);
        if (absl::IsNotFound(end.status)) Lose(end.status, Clock::now());
      });
      break;
    case Fault::kDelay:
      At(std::max(spoken, then), [this, end] { End(end); });
      break;
    case Fault::kDuplicate:
      At(spoken, [this, end] { End(end); });
      At(std::max(spoken, then), [this, end] { inbox_->Put(end); });
      break;
    case Fault::kBusy:
      end = {.worker = worker_, .id = id, .status = absl::ResourceExhaustedError(name_)};
      At(spoken, [this, end] { End(end); });
      break;
    case Fault::kDamaged:
      end = {.worker = worker_, .id = id, .status = absl::DataLossError(name_)};
      At(spoken, [this, end] { End(end); });
      break;
    case Fault::kLostBefore:
      At(now, [this, lost, then] { Lose(lost, then); });
      break;
    case Fault::kLostAfter:
      At(now, [this, lost, then] { Lose(lost, then); });
      At(now + 2 * event.after, [this, end] { inbox_->Put(end); });
      break;
    case Fault::kOlderShard:
      At(now, [this, lost, then, first = id % 2 == 0] {
        Lose(lost, then);
        held_ = Half(first);
      });
      // The next restart has all of it again.
      At(then + event.after, [this, lost] {
        held_ = whole_;
        Lose(lost, Clock::now());
      });
      break;
  }
  return id;
}

void FaultyWorker::Reset(const absl::Status& reason) {
  std::lock_guard<std::mutex> lock(mu_);
  Lose(reason, std::max(Clock::now(), silent_until_));
}

Shard FaultyWorker::Half(bool first) const {
  std::string bitmap = whole_.Bitmap();
  for (size_t byte = 0; byte < bitmap.size(); ++byte)
    bitmap[byte] = static_cast<char>(bitmap[byte] & (first ? 0x55 : 0xAA));
  return *Shard::FromBitmap(bitmap, host_->config().num_layers, host_->config().num_experts);
}

void FaultyWorker::At(Clock::time_point when, std::function<void()> action) {
  actions_.emplace(when, std::move(action));
  changed_.notify_all();
}

// Of the connection of now; what was lost with another has ended already.
void FaultyWorker::End(DispatchEnd end) {
  if (pending_.erase(end.id) > 0) inbox_->Put(std::move(end));
}

void FaultyWorker::Lose(const absl::Status& reason, Clock::time_point back) {
  state_.connected = false;
  state_.status = reason;
  for (const uint64_t id : std::exchange(pending_, {}))
    inbox_->Put({.worker = worker_, .id = id, .status = reason});
  inbox_->NoteChange();
  At(back, [this] {
    if (state_.connected) return;
    state_ = {.connected = true, .resident = held_, .epoch = state_.epoch + 1};
    inbox_->NoteChange();
  });
}

void FaultyWorker::Run() {
  std::unique_lock<std::mutex> lock(mu_);
  while (!stop_) {
    if (actions_.empty()) {
      changed_.wait(lock);
    } else if (const auto first = actions_.begin(); first->first > Clock::now()) {
      changed_.wait_until(lock, Clock::time_point(first->first));
    } else {
      const std::function<void()> action = std::move(first->second);
      actions_.erase(first);
      action();
    }
  }
}

}  // namespace coterie

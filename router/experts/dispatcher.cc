#include "router/experts/dispatcher.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

using Seconds = WorkerPace::Seconds;

// Another copy is asked after this part of the timeout at the latest, whatever answers take.
constexpr int kOverdueShare = 4;
// How often an overdue answer's rows look for a copy that can be asked instead.
constexpr std::chrono::milliseconds kRecheck(20);
// Damaged answers of one worker to one layer that are taken for bad luck.
constexpr int kDamagedMax = 4;
// A worker that has too much to do is asked again after this, when nobody else holds the experts.
constexpr std::chrono::milliseconds kBusyPause(2);

// Of a worker, for one layer.
enum Avoid : uint8_t {
  kNot,
  kBusy,     // it had too much to do
  kDamaged,  // its answer was wrong
  kGone,     // not to be asked again
};

// In which order holders of an expert are asked: those that are trusted, those that have spoken
// since they were silent, those that refused, those that are silent. A worker that says no is
// alive.
int RankOf(uint8_t avoided, const WorkerPace& pace, WorkerPace::Clock::time_point now) {
  if (pace.is_silent()) return 4;
  if (avoided == kDamaged) return 3;
  if (avoided == kBusy) return 2;
  return pace.is_suspect(now) ? 1 : 0;
}
constexpr int kRanks = 5;

}  // namespace

Dispatcher::Dispatcher(WorkerSet* workers, absl::Duration timeout, RouterMetrics* metrics,
                       ExpertLoad* load, Parallel* pool)
    : workers_(workers),
      timeout_(absl::ToChronoNanoseconds(timeout)),
      metrics_(metrics),
      load_(load),
      pool_(pool),
      late_(workers, timeout_, metrics) {}

absl::Status Dispatcher::Send(int64_t layer, const EncodedRows& rows, const Routing& routing) {
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    if (EncodedRowIsFinite(rows.format(), rows.row(row), rows.num_cols())) continue;
    return absl::InternalError(
        absl::StrCat("an activation in layer ", layer,
                     " is NaN or infinite: the model's weights are damaged or out of range"));
  }
  Abandon();  // of a layer that was never collected
  late_.TakeAll();
  begun_ = last_arrived_ = Clock::now();
  late_.ResetHungLinks(begun_);
  layer_ = layer;
  rows_ = &rows;
  routing_ = routing;
  num_slots_ = num_open_ = static_cast<int64_t>(routing.experts.size());
  top_k_ = num_slots_ / rows.num_rows();
  num_damaged_.clear();
  avoided_.clear();
  FitWorkers();
  busy_since_.reset();
  is_open_.assign(static_cast<size_t>(num_slots_), 1);
  num_flights_.assign(static_cast<size_t>(num_slots_), 0);
  collected_.Reserve(static_cast<size_t>(num_slots_ * rows.num_cols()) * sizeof(float));
  metrics_->CountRouting(layer, routing.experts);
  load_->Count(layer, routing.experts);
  std::vector<int32_t> slots(static_cast<size_t>(num_slots_));
  std::iota(slots.begin(), slots.end(), 0);
  RETURN_IF_ERROR(SendSlots(std::move(slots)));
  metrics_->CountImbalance(layer, choice_.imbalance());
  sent_ = Clock::now();
  return absl::OkStatus();
}

absl::StatusOr<Tensor> Dispatcher::Collect() {
  const Clock::time_point start = Clock::now();
  absl::Status status;
  while (status.ok() && num_open_ > 0) {
    CHECK(!flights_.empty()) << num_open_ << " slots are open and nothing is under way";
    if (const auto end = workers_->inbox().Next(NextTimer())) {
      status = Take(*end);
    } else {
      status = HandleOverdue(Clock::now());
    }
  }
  Abandon();
  metrics_->dispatch_wait_seconds.Observe(Seconds(Clock::now() - start).count());
  if (!status.ok()) return status;
  metrics_->dense_branch_seconds.Observe(Seconds(start - sent_).count());
  metrics_->exchange_seconds.Observe(Seconds(last_arrived_ - begun_).count());
  return Tensor(collected_.as<float>(), {num_slots_, rows_->num_cols()});
}

// Room for workers that have joined. After every call of placement(), which may name them.
void Dispatcher::FitWorkers() {
  const int count = workers_->num_workers();
  for (int worker = metrics_->num_workers(); worker < count; ++worker)
    metrics_->AddWorker(workers_->channel(worker).name());
  num_damaged_.resize(static_cast<size_t>(count));
  avoided_.resize(static_cast<size_t>(count), kNot);
  slots_of_.resize(static_cast<size_t>(count));
}

// Sends until every slot is under way.
absl::Status Dispatcher::SendSlots(std::vector<int32_t> slots) {
  while (!slots.empty()) {
    RETURN_IF_ERROR(ChooseWorkers(slots));
    slots.clear();
    for (int worker = 0; worker < static_cast<int>(slots_of_.size()); ++worker) {
      std::vector<int32_t>& own = slots_of_[static_cast<size_t>(worker)];
      if (own.empty()) continue;
      const absl::Status sent = SendTo(worker, own);
      if (sent.ok()) continue;
      RETURN_IF_ERROR(NoteFailure(worker, sent));
      slots.insert(slots.end(), own.begin(), own.end());
    }
  }
  return absl::OkStatus();
}

// Splits `slots` by the worker that shall compute them, into slots_of_.
absl::Status Dispatcher::ChooseWorkers(std::span<const int32_t> slots) {
  const Placement& placement = workers_->placement();
  FitWorkers();
  const Clock::time_point now = Clock::now();
  expert_at_.assign(static_cast<size_t>(load_->num_experts()), -1);
  experts_.clear();
  candidates_.clear();
  std::vector<std::pair<size_t, size_t>> ranges;  // of candidates_
  for (const int32_t slot : slots) {
    const int32_t expert = routing_.experts[static_cast<size_t>(slot)];
    int32_t& at = expert_at_[static_cast<size_t>(expert)];
    if (at < 0) {
      at = static_cast<int32_t>(experts_.size());
      experts_.emplace_back();
      const size_t begin = candidates_.size();
      for (int rank = 0; rank < kRanks && candidates_.size() == begin; ++rank) {
        for (const int worker : placement.copies(layer_, expert)) {
          const auto avoided = avoided_[static_cast<size_t>(worker)];
          if (avoided != kGone && RankOf(avoided, workers_->pace(worker), now) == rank)
            candidates_.push_back(worker);
        }
      }
      if (candidates_.size() == begin) return workers_->OutageOf({layer_, expert});
      ranges.emplace_back(begin, candidates_.size());
    }
    ++experts_[static_cast<size_t>(at)].num_rows;
  }
  for (size_t e = 0; e < experts_.size(); ++e)
    experts_[e].copies =
        std::span(candidates_).subspan(ranges[e].first, ranges[e].second - ranges[e].first);
  const std::vector<int>& chosen = choice_.Choose(experts_, Slowness());
  for (std::vector<int32_t>& own : slots_of_) own.clear();
  for (const int32_t slot : slots) {
    const int32_t expert = routing_.experts[static_cast<size_t>(slot)];
    const auto at = static_cast<size_t>(expert_at_[static_cast<size_t>(expert)]);
    slots_of_[static_cast<size_t>(chosen[at])].push_back(slot);
  }
  return absl::OkStatus();
}

// One that has not computed yet is taken to be as quick as the others.
std::span<const double> Dispatcher::Slowness() {
  slowness_.clear();
  double sum = 0;
  int num_known = 0;
  for (int worker = 0; worker < static_cast<int>(slots_of_.size()); ++worker) {
    slowness_.push_back(workers_->pace(worker).seconds_per_cost());
    sum += slowness_.back();
    num_known += slowness_.back() > 0 ? 1 : 0;
  }
  const double mean = num_known > 0 ? sum / num_known : 1.0;
  for (double& slowness : slowness_)
    slowness = slowness > 0 ? std::clamp(slowness / mean, 1.0 / 16, 16.0) : 1.0;
  return slowness_;
}

absl::Status Dispatcher::SendTo(int worker, const std::vector<int32_t>& slots) {
  batch_.layer = layer_;
  batch_.format = rows_->format();
  batch_.num_cols = rows_->num_cols();
  batch_.rows.clear();
  batch_.pair_row.clear();
  batch_.pair_expert.clear();
  row_index_.assign(static_cast<size_t>(rows_->num_rows()), -1);
  double cost = 0;
  expert_at_.assign(expert_at_.size(), -1);
  for (const int32_t slot : slots) {
    const int64_t row = slot / top_k_;
    int32_t& index = row_index_[static_cast<size_t>(row)];
    if (index < 0) {
      index = static_cast<int32_t>(batch_.rows.size());
      batch_.rows.push_back(rows_->row(row));
    }
    const int32_t expert = routing_.experts[static_cast<size_t>(slot)];
    batch_.pair_row.push_back(index);
    batch_.pair_expert.push_back(expert);
    cost += std::exchange(expert_at_[static_cast<size_t>(expert)], 0) < 0 ? ExpertCost(1) : 1;
  }
  const Clock::time_point now = Clock::now();
  ASSIGN_OR_RETURN(const uint64_t id,
                   workers_->channel(worker).Dispatch(batch_, absl::FromChrono(timeout_)));
  for (const int32_t slot : slots) ++num_flights_[static_cast<size_t>(slot)];
  const auto num_pairs = static_cast<int64_t>(slots.size());
  flights_.push_back({.worker = worker,
                      .id = id,
                      .slots = slots,
                      .cost = cost,
                      .sent = now,
                      .overdue = now + std::min(workers_->pace(worker).Patience(num_pairs),
                                                timeout_ / kOverdueShare)});
  metrics_->CountSent(worker, static_cast<int64_t>(batch_.rows.size()) * rows_->row_bytes());
  return absl::OkStatus();
}

absl::Status Dispatcher::Take(const DispatchEnd& end) {
  const auto at = std::find_if(flights_.begin(), flights_.end(), [&](const Flight& flight) {
    return flight.worker == end.worker && flight.id == end.id;
  });
  if (at == flights_.end()) {
    late_.Take(end);
    return absl::OkStatus();
  }
  const Flight flight = std::move(*at);
  flights_.erase(at);
  for (const int32_t slot : flight.slots) --num_flights_[static_cast<size_t>(slot)];
  if (end.status.ok()) return TakeOutputs(flight, end);
  return Resend(flight, end.status);
}

absl::Status Dispatcher::TakeOutputs(const Flight& flight, const DispatchEnd& end) {
  const CombineBatch& combine = end.combine;
  const auto num_pairs = static_cast<int64_t>(flight.slots.size());
  const int64_t num_cols = rows_->num_cols();
  const RowFormat format = rows_->format() == RowFormat::kF32 ? RowFormat::kF32 : RowFormat::kBF16;
  if (combine.num_pairs != num_pairs || combine.num_cols != num_cols || combine.format != format) {
    return Resend(flight, absl::DataLossError(absl::StrCat(
                              "expert worker ", workers_->channel(flight.worker).name(),
                              ": answered ", combine.num_pairs, " ", RowFormatName(combine.format),
                              " rows of ", combine.num_cols, ", asked for ", num_pairs, " ",
                              RowFormatName(format), " rows of ", num_cols)));
  }
  constexpr int64_t kRowsPerTask = 32;
  pool_->For((num_pairs + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task) {
    for (int64_t pair = task * kRowsPerTask; pair < std::min(num_pairs, (task + 1) * kRowsPerTask);
         ++pair) {
      const int32_t slot = flight.slots[static_cast<size_t>(pair)];
      if (is_open_[static_cast<size_t>(slot)] == 0) continue;
      DecodeRow(combine.format, combine.row(pair), num_cols,
                collected_.as<float>() + slot * num_cols);
    }
  });
  for (const int32_t slot : flight.slots)
    num_open_ -= std::exchange(is_open_[static_cast<size_t>(slot)], uint8_t{0});
  last_arrived_ = std::max(last_arrived_, end.arrived);
  const Clock::duration took = end.arrived - flight.sent;
  workers_->pace(flight.worker)
      .Answered(num_pairs, flight.cost, took, Seconds(combine.compute_seconds), Clock::now());
  WorkerLoad& load = workers_->load(flight.worker);
  load.pairs += static_cast<uint64_t>(num_pairs);
  load.compute_ns += static_cast<uint64_t>(combine.compute_seconds * 1e9);
  metrics_->CountReceived(flight.worker,
                          {num_pairs, num_pairs * EncodedRowBytes(combine.format, num_cols),
                           combine.compute_seconds, combine.queue_seconds, Seconds(took).count()});
  return absl::OkStatus();
}

// Its slots go to other copies, those apart that another flight carries as well.
absl::Status Dispatcher::Resend(const Flight& flight, const absl::Status& reason) {
  workers_->pace(flight.worker).Spoke(Clock::now());
  RETURN_IF_ERROR(NoteFailure(flight.worker, reason));
  std::vector<int32_t> slots;
  for (const int32_t slot : flight.slots) {
    const auto at = static_cast<size_t>(slot);
    if (is_open_[at] != 0 && num_flights_[at] == 0) slots.push_back(slot);
  }
  return SendSlots(std::move(slots));
}

// Whom to ask less from here on. `reason` itself when there is no point in asking again.
absl::Status Dispatcher::NoteFailure(int worker, const absl::Status& reason) {
  metrics_->CountResent(worker);
  uint8_t& avoided = avoided_[static_cast<size_t>(worker)];
  switch (reason.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      avoided = kGone;
      return absl::OkStatus();
    case absl::StatusCode::kResourceExhausted: {
      const Clock::time_point now = Clock::now();
      if (!busy_since_.has_value()) busy_since_ = now;
      if (now - *busy_since_ > timeout_) return reason;
      // Refused before, and asked again because nobody else was left.
      if (avoided == kBusy) std::this_thread::sleep_for(kBusyPause);
      avoided = std::max<uint8_t>(avoided, kBusy);
      return absl::OkStatus();
    }
    default:  // damaged, or not to be understood: another copy may do better
      if (++num_damaged_[static_cast<size_t>(worker)] > kDamagedMax) return reason;
      avoided = kDamaged;
      return absl::OkStatus();
  }
}

// Rows whose answer is overdue go to another copy as well, if one can be asked.
absl::Status Dispatcher::HandleOverdue(Clock::time_point now) {
  std::vector<uint8_t> is_carried(static_cast<size_t>(num_slots_));  // by one that is not overdue
  for (Flight& flight : flights_) {
    if (flight.overdue <= now && !std::exchange(flight.is_overdue, true)) {
      workers_->pace(flight.worker).Overdue(now);
      metrics_->CountOverdue(flight.worker);
    }
    if (flight.is_overdue) continue;
    for (const int32_t slot : flight.slots) is_carried[static_cast<size_t>(slot)] = 1;
  }
  const Placement& placement = workers_->placement();
  FitWorkers();
  std::vector<int32_t> slots;
  for (Flight& flight : flights_) {
    if (flight.overdue > now) continue;
    flight.overdue = now + kRecheck;
    if (now - flight.sent > timeout_) {
      late_.ResetHung(flight.worker);  // its end comes to the inbox
      continue;
    }
    for (const int32_t slot : flight.slots) {
      const auto at = static_cast<size_t>(slot);
      if (is_open_[at] == 0 || is_carried[at] != 0) continue;
      const std::span<const int> copies = placement.copies(layer_, routing_.experts[at]);
      if (!std::any_of(copies.begin(), copies.end(), [&](int worker) {
            return worker != flight.worker && !workers_->pace(worker).is_silent() &&
                   avoided_[static_cast<size_t>(worker)] != kGone;
          }))
        continue;
      is_carried[at] = 1;
      slots.push_back(slot);
      if (!std::exchange(flight.is_hedged, true)) metrics_->CountHedge(flight.worker);
    }
  }
  return SendSlots(std::move(slots));
}

void Dispatcher::Abandon() {
  for (const Flight& flight : flights_) {
    late_.Await({flight.worker, flight.id, static_cast<int64_t>(flight.slots.size()), flight.sent});
  }
  flights_.clear();
}

Dispatcher::Clock::time_point Dispatcher::NextTimer() const {
  Clock::time_point next = Clock::time_point::max();
  for (const Flight& flight : flights_) next = std::min(next, flight.overdue);
  return next;
}

}  // namespace coterie

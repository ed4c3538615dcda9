#include "router/experts/rebalancer.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace coterie {

bool Rebalancer::Round::empty() const {
  return std::all_of(moves.begin(), moves.end(),
                     [](const WorkerMoves& worker) { return worker.empty(); });
}

int64_t Rebalancer::Round::num_loads() const {
  int64_t count = 0;
  for (const WorkerMoves& worker : moves) count += static_cast<int64_t>(worker.load.size());
  return count;
}

Rebalancer::Rebalancer(Options options)
    : options_(std::move(options)),
      budget_bytes_(static_cast<double>(options_.even_bytes_per_minute)) {}

Rebalancer::Round Rebalancer::Next(std::span<const Worker> workers, std::span<const double> load,
                                   absl::Time now) {
  RefillBudget(now);
  Round round;
  const PlacementPlan covered = Plan(workers, load, false);
  round.num_uncovered = covered.num_uncovered;
  round.moves = MovesTo(covered, workers);
  if (!round.empty()) {
    evening_.reset();
    return round;
  }
  round.is_evening = true;
  if (evening_.has_value() && IsOfThese(workers)) {
    round.moves = MovesTo(*evening_, workers);
    if (!round.empty()) {
      Afford(&round);
      return round;
    }
  }
  evening_ = Plan(workers, load, true);
  if (!KeepsCopies(*evening_, covered)) {
    evening_.reset();
    round.moves.assign(workers.size(), {});
    return round;
  }
  evened_.assign(workers.begin(), workers.end());
  round.moves = MovesTo(*evening_, workers);
  Afford(&round);
  return round;
}

// Whether every expert has as many copies as in `covered`, those that are wanted. Memory may be too
// tight for an even load.
bool Rebalancer::KeepsCopies(const PlacementPlan& evening, const PlacementPlan& covered) const {
  const PlacementGoal& goal = options_.goal;
  for (int64_t layer = 0; layer < goal.num_layers; ++layer) {
    for (int64_t expert = 0; expert < goal.num_experts; ++expert) {
      const auto count = [&](const PlacementPlan& plan) {
        return std::count_if(plan.shards.begin(), plan.shards.end(),
                             [&](const Shard& shard) { return shard.Holds(layer, expert); });
      };
      if (count(evening) < std::min<int64_t>(goal.copies, count(covered))) return false;
    }
  }
  return true;
}

bool Rebalancer::IsOfThese(std::span<const Worker> workers) const {
  return std::equal(workers.begin(), workers.end(), evened_.begin(), evened_.end(),
                    [](const Worker& a, const Worker& b) {
                      return a.id == b.id && a.is_ours == b.is_ours &&
                             a.planned.leaving == b.planned.leaving &&
                             a.planned.capacity == b.planned.capacity;
                    });
}

void Rebalancer::Afford(Round* round) {
  auto affordable = static_cast<size_t>(budget_bytes_ / static_cast<double>(options_.expert_bytes));
  for (WorkerMoves& worker : round->moves) {
    if (worker.load.size() > affordable) worker.load.resize(affordable);
    affordable -= worker.load.size();
  }
  budget_bytes_ -= static_cast<double>(round->num_loads() * options_.expert_bytes);
}

void Rebalancer::RefillBudget(absl::Time now) {
  const auto per_minute = static_cast<double>(options_.even_bytes_per_minute);
  if (refilled_ != absl::InfinitePast() && now > refilled_) {
    budget_bytes_ = std::min(
        per_minute,
        budget_bytes_ + per_minute * absl::FDivDuration(now - refilled_, absl::Minutes(1)));
  }
  refilled_ = now;
}

PlacementPlan Rebalancer::Plan(std::span<const Worker> workers, std::span<const double> load,
                               bool even) const {
  PlacementGoal goal = options_.goal;
  if (!even) goal.skew_max = std::numeric_limits<double>::infinity();
  const int64_t num_places = goal.num_layers * goal.num_experts;
  int64_t room = 0;
  for (const Worker& worker : workers)
    room += worker.planned.leaving ? 0 : std::min(worker.planned.capacity, num_places);
  // To even out, a place on each worker stays free where there are enough: what is to move is
  // loaded before it is dropped.
  const bool spare =
      even && room - static_cast<int64_t>(workers.size()) >= num_places * goal.copies;
  std::vector<PlannedWorker> planned;
  for (const Worker& worker : workers) {
    planned.push_back(worker.planned);
    int64_t& capacity = planned.back().capacity;
    if (spare && capacity < num_places && capacity > 0) --capacity;
    // Not to be told anything now, so it goes on holding what it holds.
    if (!worker.is_ours) capacity = std::min(capacity, worker.planned.held.num_held());
  }
  return PlanPlacement(planned, load, goal);
}

std::vector<WorkerMoves> Rebalancer::MovesTo(const PlacementPlan& plan,
                                             std::span<const Worker> workers) const {
  std::vector<MovingWorker> moving;
  for (size_t w = 0; w < workers.size(); ++w) {
    moving.push_back({.held = workers[w].planned.held,
                      .wanted = plan.shards[w],
                      .capacity = workers[w].planned.capacity,
                      .is_ours = workers[w].is_ours});
  }
  return NextMoves(moving, options_.goal.num_layers, options_.goal.num_experts,
                   options_.goal.copies,
                   std::max<int64_t>(1, options_.round_bytes / options_.expert_bytes));
}

}  // namespace coterie

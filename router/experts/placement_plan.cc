#include "router/experts/placement_plan.h"

#include <algorithm>
#include <numeric>

#include "kernels/check.h"
#include "router/experts/layer_split.h"

namespace coterie {
namespace {

// Moves of one layer in one plan, and the copies looked at for each.
constexpr int kMovesMax = 64;
constexpr size_t kCandidatesMax = 16, kReceiversMax = 3;
// A move that gains less than this share of the busiest worker is not worth its bytes.
constexpr double kGainMin = 0.005;

class Planner {
 public:
  Planner(std::span<const PlannedWorker> workers, std::span<const double> load,
          const PlacementGoal& goal)
      : workers_(workers),
        goal_(goal),
        load_(load.begin(), load.end()),
        copies_(load.size()),
        used_(workers.size()),
        busy_(static_cast<size_t>(goal.num_layers), std::vector<double>(workers.size())) {
    CHECK(load.size() == static_cast<size_t>(goal.num_layers * goal.num_experts)) << load.size();
    if (std::all_of(load_.begin(), load_.end(), [](double rows) { return rows <= 0; }))
      load_.assign(load_.size(), 1.0);
    for (size_t at = 0; at < copies_.size(); ++at) {
      for (size_t w = 0; w < workers_.size(); ++w) {
        if (!workers_[w].leaving && workers_[w].held.Holds(LayerOf(at), ExpertOf(at)))
          Add(at, static_cast<int>(w));
      }
    }
  }

  PlacementPlan Plan() {
    PlacementPlan plan;
    for (size_t w = 0; w < workers_.size(); ++w) Trim(static_cast<int>(w));
    const std::vector<size_t> heaviest = HeaviestFirst();
    for (int64_t wanted = 1; wanted <= goal_.copies; ++wanted) {
      for (const size_t at : heaviest) {
        if (num_copies(at) < wanted && !Cover(at, wanted) && wanted == 1) ++plan.num_uncovered;
      }
    }
    for (int64_t layer = 0; layer < goal_.num_layers; ++layer) Even(layer);
    plan.shards.assign(workers_.size(), Shard::Nothing(goal_.num_layers, goal_.num_experts));
    for (size_t at = 0; at < copies_.size(); ++at) {
      for (const int w : copies_[at])
        plan.shards[static_cast<size_t>(w)].Set(LayerOf(at), ExpertOf(at), true);
    }
    return plan;
  }

 private:
  int64_t LayerOf(size_t at) const { return static_cast<int64_t>(at) / goal_.num_experts; }
  int64_t ExpertOf(size_t at) const { return static_cast<int64_t>(at) % goal_.num_experts; }
  int64_t num_copies(size_t at) const { return static_cast<int64_t>(copies_[at].size()); }
  const PlannedWorker& worker(int w) const { return workers_[static_cast<size_t>(w)]; }
  bool HasRoom(int w) const { return used_[static_cast<size_t>(w)] < worker(w).capacity; }
  bool Holds(size_t at, int w) const {
    return std::find(copies_[at].begin(), copies_[at].end(), w) != copies_[at].end();
  }

  // Rows of a worker's layer, as if the copies of an expert got equal shares: enough to choose by.
  void AddBusy(size_t at, double sign) {
    for (const int w : copies_[at]) {
      busy_[static_cast<size_t>(LayerOf(at))][static_cast<size_t>(w)] +=
          sign * load_[at] / static_cast<double>(copies_[at].size()) / worker(w).speed;
    }
  }
  void Add(size_t at, int w) {
    AddBusy(at, -1);
    copies_[at].push_back(w);
    AddBusy(at, 1);
    ++used_[static_cast<size_t>(w)];
  }
  void Remove(size_t at, int w) {
    AddBusy(at, -1);
    std::erase(copies_[at], w);
    AddBusy(at, 1);
    --used_[static_cast<size_t>(w)];
  }

  std::vector<size_t> HeaviestFirst() const {
    std::vector<size_t> order(copies_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return load_[a] > load_[b]; });
    return order;
  }

  // Whether a copy on `w` would fail together with another, `but` apart.
  bool Clashes(size_t at, int w, int but = -1) const {
    const std::string& domain = worker(w).domain;
    return !domain.empty() && std::any_of(copies_[at].begin(), copies_[at].end(), [&](int other) {
      return other != but && worker(other).domain == domain;
    });
  }

  // Of what `w` holds, the expert with the fewest rows of those with more than `more_than` copies.
  // The whole model's size if there is none.
  size_t Expendable(int w, int64_t more_than) const {
    size_t best = copies_.size();
    for (size_t at = 0; at < copies_.size(); ++at) {
      if (num_copies(at) <= more_than || !Holds(at, w)) continue;
      if (best == copies_.size() || load_[at] < load_[best]) best = at;
    }
    return best;
  }

  // More than there is memory for: what has most copies goes first.
  void Trim(int w) {
    while (!worker(w).leaving && used_[static_cast<size_t>(w)] > worker(w).capacity) {
      size_t victim = copies_.size();
      for (int64_t more_than = goal_.copies; victim == copies_.size() && more_than >= 0;
           --more_than)
        victim = Expendable(w, more_than);
      Remove(victim, w);
    }
  }

  // One more copy of an expert. False when there is no room.
  bool Cover(size_t at, int64_t wanted) {
    int best = -1;
    const auto better = [&](int a, int b) {
      const bool clash_a = Clashes(at, a), clash_b = Clashes(at, b);
      if (clash_a != clash_b) return clash_b;
      const std::vector<double>& busy = busy_[static_cast<size_t>(LayerOf(at))];
      const double busy_a = busy[static_cast<size_t>(a)], busy_b = busy[static_cast<size_t>(b)];
      if (busy_a != busy_b) return busy_a < busy_b;
      return used_[static_cast<size_t>(a)] < used_[static_cast<size_t>(b)];
    };
    for (const bool make_room : {false, true}) {
      for (int w = 0; w < static_cast<int>(workers_.size()); ++w) {
        if (worker(w).leaving || worker(w).capacity == 0 || Holds(at, w)) continue;
        if (!HasRoom(w) && (!make_room || RoomBy(w, wanted) == copies_.size())) continue;
        if (best < 0 || better(w, best)) best = w;
      }
      if (best >= 0) break;
    }
    if (best < 0) return false;
    if (!HasRoom(best)) Remove(RoomBy(best, wanted), best);
    Add(at, best);
    return true;
  }
  // What `w` may give up for a copy: for the first any that has another, else what has too many.
  size_t RoomBy(int w, int64_t wanted) const {
    return Expendable(w, wanted == 1 ? 1 : goal_.copies);
  }

  double Busiest(int64_t layer) {
    const auto first = static_cast<size_t>(layer * goal_.num_experts),
               count = static_cast<size_t>(goal_.num_experts);
    speeds_.clear();
    for (const PlannedWorker& w : workers_) speeds_.push_back(w.speed);
    split_.Solve(std::span(copies_).subspan(first, count), std::span(load_).subspan(first, count),
                 speeds_);
    const std::span<const double> busy = split_.busy();
    return *std::max_element(busy.begin(), busy.end());
  }

  double Mean(int64_t layer) const {
    double rows = 0, speed = 0;
    for (int64_t e = 0; e < goal_.num_experts; ++e)
      rows += load_[static_cast<size_t>(layer * goal_.num_experts + e)];
    for (const PlannedWorker& w : workers_) speed += w.leaving || w.capacity == 0 ? 0 : w.speed;
    return rows / speed;
  }

  struct Move {
    size_t at = 0;
    int from = -1, to = -1;
    bool keeps = false;  // a further copy, rather than another place
    size_t swapped = 0;  // goes the other way when `to` has no room; the model's size: nothing
    double busiest = 0;  // afterwards
  };

  void Even(int64_t layer) {
    const double mean = Mean(layer);
    if (workers_.empty() || !(mean > 0)) return;
    double busiest = Busiest(layer);
    if (busiest <= goal_.skew_max * mean) return;
    for (int i = 0; i < kMovesMax && busiest > goal_.skew_wanted * mean; ++i) {
      const Move move = BestMove(layer);
      if (move.from < 0 || move.busiest > busiest * (1 - kGainMin)) return;
      Apply(move);
      busiest = move.busiest;
    }
  }

  Move BestMove(int64_t layer) {
    Busiest(layer);
    const std::vector<double> busy(split_.busy().begin(), split_.busy().end());
    std::vector<int> order;
    for (int w = 0; w < static_cast<int>(workers_.size()); ++w) {
      if (!worker(w).leaving && worker(w).capacity > 0) order.push_back(w);
    }
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return busy[static_cast<size_t>(a)] < busy[static_cast<size_t>(b)];
    });
    Move best;
    const int from = order.back();
    for (size_t r = 0; r < std::min(kReceiversMax, order.size() - 1); ++r) {
      for (const size_t at : Candidates(layer, from, order[r])) {
        Move move{.at = at, .from = from, .to = order[r], .swapped = copies_.size()};
        move.keeps = HasRoom(move.to) && num_copies(at) < goal_.copies && !Clashes(at, move.to);
        if (!HasRoom(move.to) && !FindSwap(layer, &move)) continue;
        Apply(move);
        move.busiest = Busiest(layer);
        Undo(move);
        if (best.from < 0 || move.busiest < best.busiest) best = move;
      }
    }
    return best;
  }

  // What of a layer could go from one worker to another, the most rows first.
  std::vector<size_t> Candidates(int64_t layer, int from, int to) const {
    std::vector<size_t> candidates;
    for (int64_t e = 0; e < goal_.num_experts; ++e) {
      const auto at = static_cast<size_t>(layer * goal_.num_experts + e);
      if (Holds(at, from) && !Holds(at, to) && (!Clashes(at, to, from) || Clashes(at, from, from)))
        candidates.push_back(at);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](size_t a, size_t b) { return load_[a] > load_[b]; });
    if (candidates.size() > kCandidatesMax) candidates.resize(kCandidatesMax);
    return candidates;
  }

  // The lightest expert that can make room.
  bool FindSwap(int64_t layer, Move* move) const {
    for (int64_t e = 0; e < goal_.num_experts; ++e) {
      const auto at = static_cast<size_t>(layer * goal_.num_experts + e);
      if (!Holds(at, move->to) || Holds(at, move->from) || Clashes(at, move->from, move->to))
        continue;
      if (move->swapped == copies_.size() || load_[at] < load_[move->swapped]) move->swapped = at;
    }
    return move->swapped != copies_.size();
  }

  void Apply(const Move& move) {
    if (move.swapped != copies_.size()) {
      Remove(move.swapped, move.to);
      Add(move.swapped, move.from);
    }
    if (!move.keeps) Remove(move.at, move.from);
    Add(move.at, move.to);
  }
  void Undo(const Move& move) {
    Remove(move.at, move.to);
    if (!move.keeps) Add(move.at, move.from);
    if (move.swapped != copies_.size()) {
      Remove(move.swapped, move.from);
      Add(move.swapped, move.to);
    }
  }

  const std::span<const PlannedWorker> workers_;
  const PlacementGoal goal_;
  std::vector<double> load_;               // [num_layers * num_experts]
  std::vector<std::vector<int>> copies_;   // the same: workers that shall hold it
  std::vector<int64_t> used_;              // [workers] experts
  std::vector<std::vector<double>> busy_;  // [num_layers][workers]
  std::vector<double> speeds_;
  LayerSplit split_;
};

}  // namespace

PlacementPlan PlanPlacement(std::span<const PlannedWorker> workers, std::span<const double> load,
                            const PlacementGoal& goal) {
  return Planner(workers, load, goal).Plan();
}

double LayerSkew(std::span<const Shard> shards, std::span<const PlannedWorker> workers,
                 std::span<const double> load, int64_t layer, int64_t num_experts) {
  std::vector<std::vector<int>> copies(static_cast<size_t>(num_experts));
  std::vector<double> speeds;
  double rows = 0, speed = 0;
  for (const PlannedWorker& worker : workers) {
    speeds.push_back(worker.speed);
    speed += worker.leaving ? 0 : worker.speed;
  }
  const auto layer_load =
      load.subspan(static_cast<size_t>(layer * num_experts), static_cast<size_t>(num_experts));
  for (size_t e = 0; e < copies.size(); ++e) {
    for (size_t w = 0; w < workers.size(); ++w) {
      if (!workers[w].leaving && shards[w].Holds(layer, static_cast<int64_t>(e)))
        copies[e].push_back(static_cast<int>(w));
    }
    rows += layer_load[e];
  }
  LayerSplit split;
  split.Solve(copies, layer_load, speeds);
  return *std::max_element(split.busy().begin(), split.busy().end()) / (rows / speed);
}

}  // namespace coterie

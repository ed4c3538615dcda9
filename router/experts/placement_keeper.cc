#include "router/experts/placement_keeper.h"

#include <algorithm>
#include <utility>

#include "expert_worker/channel/handshake.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"
#include "router/experts/copy_choice.h"

namespace coterie {
namespace {

// For calls that are answered at once.
constexpr absl::Duration kCallTimeout = absl::Milliseconds(500);

// What each expert has cost since the worker's start, in rows: small batches are mostly reading.
std::vector<uint64_t> WorkOf(const v1::LeaseReply& reply) {
  std::vector<uint64_t> work(reply.expert_pairs().begin(), reply.expert_pairs().end());
  const auto count = std::min(reply.expert_runs_size(), reply.expert_pairs_size());
  for (int at = 0; at < count; ++at)
    work[static_cast<size_t>(at)] += static_cast<uint64_t>(kReadCost) * reply.expert_runs(at);
  return work;
}

}  // namespace

PlacementKeeper::PlacementKeeper(Options options, WorkerSet* workers, PlacementMetrics* metrics)
    : options_(std::move(options)),
      workers_(workers),
      metrics_(metrics),
      calls_(options_.calls),
      history_(workers->num_layers(), workers->num_experts(), options_.load_half_life),
      rebalancer_(options_.rebalancer),
      rng_(static_cast<std::minstd_rand::result_type>(
          std::hash<std::string>()(options_.calls.planner))) {
  metrics_->SetPlanning(false);
  thread_ = std::thread([this] { Run(); });
}

PlacementKeeper::~PlacementKeeper() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stop_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void PlacementKeeper::Run() {
  for (;;) {
    const bool moved = Look();
    std::unique_lock<std::mutex> lock(mu_);
    const auto pause = absl::ToChronoNanoseconds(moved ? absl::ZeroDuration() : options_.period);
    if (stopped_.wait_for(lock, pause, [&] { return stop_; })) return;
  }
}

// True when something was moved, and there may be more.
bool PlacementKeeper::Look() {
  const absl::Time now = MonotonicNow();
  const bool planning = LeaseAll(now);
  SetPlanning(planning);
  return planning && MoveOnce(now);
}

// Asks every worker that is connected what it is. True when all that answered have granted this
// router their lease.
bool PlacementKeeper::LeaseAll(absl::Time now) {
  std::vector<std::pair<std::string, int>> connected;  // in the order in which leases are taken
  const std::vector<WorkerSet::Worker> workers = workers_->Describe();
  for (size_t w = 0; w < workers.size(); ++w) {
    if (workers[w].connected) connected.emplace_back(workers[w].name, static_cast<int>(w));
  }
  std::sort(connected.begin(), connected.end());
  for (auto& [worker, known] : known_) known.is_ours = false;
  size_t num_answered = 0, num_granted = 0, next = 0;
  // One after the other until the first answers: who has that one's lease goes on to the others.
  const auto lease = [&](size_t count) {
    std::vector<std::string> addresses;
    for (size_t i = 0; i < count; ++i) addresses.push_back(connected[next + i].first);
    const auto replies = calls_.Lease(addresses, options_.lease, kCallTimeout);
    for (size_t i = 0; i < count; ++i, ++next) {
      if (!replies[i].ok()) continue;
      ++num_answered;
      const int worker = connected[next].second;
      Hear(worker, replies[i]->worker(), now);
      if (!replies[i]->granted()) continue;
      ++num_granted;
      known_[worker].is_ours = !replies[i]->worker().draining();
      history_.Add(replies[i]->worker().instance_id(), WorkOf(*replies[i]), now);
    }
  };
  if (now >= stand_back_until_) {
    while (next < connected.size() && num_answered == 0) lease(1);
    if (num_granted > 0) lease(connected.size() - next);
  }
  if (num_answered > 0 && num_granted == num_answered) return true;
  // Another plans. Where each has the lease of some, one of them is the first to stand back.
  if (num_granted > 0) {
    stand_back_until_ = now + options_.lease * std::uniform_real_distribution<double>(1, 3)(rng_);
  }
  std::vector<std::string> addresses;
  for (size_t i = next; i < connected.size(); ++i) addresses.push_back(connected[i].first);
  const auto replies = calls_.Describe(addresses, kCallTimeout);
  for (size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].ok()) Hear(connected[next + i].second, *replies[i], now);
  }
  return false;
}

void PlacementKeeper::Hear(int worker, const v1::WorkerDescription& description, absl::Time now) {
  const ExpectedWorker size{.num_layers = workers_->num_layers(),
                            .num_experts = workers_->num_experts()};
  const absl::StatusOr<HeldReport> report = HeldBy(description, size);
  if (!report.ok()) return;
  workers_->channel(worker).Learn(*report);
  Known& known = known_[worker];
  known.instance = report->instance;
  known.seen = description.draining() ? absl::InfinitePast() : now;
  const auto expert_bytes = std::max<uint64_t>(1, description.expert_bytes());
  known.planned.held = report->held;
  known.planned.capacity = static_cast<int64_t>(description.capacity_bytes() / expert_bytes);
  known.planned.domain = description.domain();
  known.planned.leaving = description.leaving();
  known.speed.Add(report->instance, description.num_pairs(), description.num_runs(),
                  description.compute_ns());
}

bool PlacementKeeper::MoveOnce(absl::Time now) {
  double sum = 0;
  int num_measured = 0;
  for (const auto& [worker, known] : known_) {
    sum += known.speed.measured();
    num_measured += known.speed.measured() > 0 ? 1 : 0;
  }
  const double mean = num_measured > 0 ? sum / num_measured : 0;
  std::vector<int> indices;
  std::vector<Rebalancer::Worker> workers;
  for (auto& [worker, known] : known_) {
    if (now - known.seen > options_.replace_after) continue;
    known.planned.speed = known.speed.Use(mean);
    indices.push_back(worker);
    workers.push_back({.id = worker, .planned = known.planned, .is_ours = known.is_ours});
  }
  begun_ |= static_cast<int64_t>(workers.size()) >= options_.min_workers;
  if (!begun_) return false;
  const Rebalancer::Round round = rebalancer_.Next(workers, history_.Load(), now);
  metrics_->SetUncovered(round.num_uncovered);
  return !round.empty() && Order(round, indices);
}

// True when a worker did as it was told.
bool PlacementKeeper::Order(const Rebalancer::Round& round, const std::vector<int>& workers) {
  std::vector<WorkerCalls::MoveOrder> orders;
  std::vector<size_t> of_round;
  for (size_t w = 0; w < workers.size(); ++w) {
    if (round.moves[w].empty()) continue;
    of_round.push_back(w);
    orders.push_back({.address = workers_->channel(workers[w]).name(),
                      .load = BitmapOf(round.moves[w].load),
                      .drop = BitmapOf(round.moves[w].drop)});
  }
  // Over before a lease is: what is dropped then is what the plan saw.
  const auto replies = calls_.Move(orders, options_.lease / 2);
  int64_t num_loads = 0, num_drops = 0;
  bool moved = false;
  for (size_t i = 0; i < replies.size(); ++i) {
    const int worker = workers[of_round[i]];
    if (!replies[i].ok()) {
      LogWarning("experts not moved", {{"worker", workers_->channel(worker).name()},
                                       {"reason", replies[i].status().message()}});
      // What it did before that, the next look shows.
      moved |= absl::IsDeadlineExceeded(replies[i].status());
      continue;
    }
    moved = true;
    Hear(worker, *replies[i], MonotonicNow());
    num_loads += static_cast<int64_t>(round.moves[of_round[i]].load.size());
    num_drops += static_cast<int64_t>(round.moves[of_round[i]].drop.size());
  }
  metrics_->CountMoved(round.is_evening, num_loads, num_loads * options_.rebalancer.expert_bytes);
  if (moved) {
    LogInfo("experts moved", {{"reason", round.is_evening ? "balance" : "copies"},
                              {"loaded", num_loads},
                              {"dropped", num_drops}});
  }
  return moved;
}

std::string PlacementKeeper::BitmapOf(const std::vector<int64_t>& experts) const {
  if (experts.empty()) return "";
  Shard shard = Shard::Nothing(workers_->num_layers(), workers_->num_experts());
  for (const int64_t at : experts)
    shard.Set(at / workers_->num_experts(), at % workers_->num_experts(), true);
  return shard.Bitmap();
}

void PlacementKeeper::SetPlanning(bool planning) {
  metrics_->SetPlanning(planning);
  if (std::exchange(planning_, planning) == planning) return;
  planning ? LogInfo("this router plans who holds which experts", {})
           : LogInfo("this router does not plan any more", {});
}

}  // namespace coterie

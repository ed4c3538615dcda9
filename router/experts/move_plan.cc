#include "router/experts/move_plan.h"

#include <algorithm>

namespace coterie {
namespace {

class Mover {
 public:
  Mover(std::span<const MovingWorker> workers, int64_t num_experts, int64_t copies)
      : workers_(workers), num_experts_(num_experts), copies_(copies) {}

  bool Holds(const Shard& shard, int64_t at) const {
    return shard.Holds(at / num_experts_, at % num_experts_);
  }

  // Copies that stay as long as the plan does.
  int64_t NumKept(int64_t at, const MovingWorker* but) const {
    return std::count_if(workers_.begin(), workers_.end(), [&](const MovingWorker& worker) {
      return &worker != but && worker.is_ours && Holds(worker.held, at) && Holds(worker.wanted, at);
    });
  }
  int64_t NumHeld(int64_t at) const {
    return std::count_if(workers_.begin(), workers_.end(), [&](const MovingWorker& worker) {
      return worker.is_ours && Holds(worker.held, at);
    });
  }
  int64_t NumWanted(int64_t at) const {
    return std::count_if(workers_.begin(), workers_.end(),
                         [&](const MovingWorker& worker) { return Holds(worker.wanted, at); });
  }
  bool MayDrop(int64_t at, const MovingWorker& worker) const {
    return NumKept(at, &worker) >= std::max<int64_t>(1, std::min(copies_, NumWanted(at)));
  }

 private:
  const std::span<const MovingWorker> workers_;
  const int64_t num_experts_, copies_;
};

}  // namespace

std::vector<WorkerMoves> NextMoves(std::span<const MovingWorker> workers, int64_t num_layers,
                                   int64_t num_experts, int64_t copies, int64_t loads_max) {
  const Mover mover(workers, num_experts, copies);
  std::vector<WorkerMoves> moves(workers.size());
  for (size_t w = 0; w < workers.size(); ++w) {
    const MovingWorker& worker = workers[w];
    if (!worker.is_ours) continue;
    for (int64_t at = 0; at < num_layers * num_experts; ++at) {
      const bool held = mover.Holds(worker.held, at), wanted = mover.Holds(worker.wanted, at);
      if (wanted && !held) moves[w].load.push_back(at);
      if (held && !wanted && mover.MayDrop(at, worker)) moves[w].drop.push_back(at);
    }
    std::vector<int64_t>& load = moves[w].load;
    std::stable_sort(load.begin(), load.end(),
                     [&](int64_t a, int64_t b) { return mover.NumHeld(a) < mover.NumHeld(b); });
    const int64_t room = std::max<int64_t>(0, worker.capacity - worker.held.num_held());
    const auto most = static_cast<size_t>(std::min(room, loads_max));
    if (load.size() > most) load.resize(most);
  }
  return moves;
}

}  // namespace coterie

#include "router/experts/worker_pace.h"

#include <algorithm>
#include <cmath>

namespace coterie {
namespace {

// Pairs of a dispatch that is a round trip and little else: two tokens' worth.
constexpr int64_t kSmallPairs = 16;
constexpr double kSmoothing = 0.1;
// Speed decides where rows go, so it follows slowly: a wish that follows the last answer swings.
constexpr double kSpeedSmoothing = 0.02;

void Follow(WorkerPace::Seconds* average, WorkerPace::Seconds value) {
  *average += kSmoothing * (value - *average);
}

}  // namespace

WorkerPace::Seconds WorkerPace::Expected(int64_t num_pairs) const {
  if (num_pairs <= kSmallPairs) return round_trip_;
  return std::max(round_trip_, per_pair_ * static_cast<double>(num_pairs));
}

WorkerPace::Clock::duration WorkerPace::Patience(int64_t num_pairs) const {
  return std::chrono::duration_cast<Clock::duration>(options_.silence_min +
                                                     options_.patience * Expected(num_pairs));
}

void WorkerPace::Answered(int64_t num_pairs, double cost, Seconds took, Seconds compute,
                          Clock::time_point now) {
  // One pause of minutes would make it trusted for minutes.
  took = std::min<Seconds>(took, 2 * Seconds(Patience(num_pairs)));
  if (num_pairs <= kSmallPairs) {
    Follow(&round_trip_, took);
  } else {
    Follow(&per_pair_, took / static_cast<double>(num_pairs));
  }
  if (cost > 0) {
    const double now_per_cost = compute.count() / cost;
    seconds_per_cost_ =
        seconds_per_cost_ == 0
            ? now_per_cost
            : seconds_per_cost_ + kSpeedSmoothing * (now_per_cost - seconds_per_cost_);
  }
  Spoke(now);
}

void WorkerPace::Spoke(Clock::time_point now) {
  if (silent_) {
    silent_ = false;
    const Seconds pause =
        std::min(options_.pause_last, options_.pause_first * std::exp2(num_offences_ - 1));
    trusted_from_ = now + std::chrono::duration_cast<Clock::duration>(pause);
  }
  if (now - last_offence_ > options_.forget) num_offences_ = 0;
}

void WorkerPace::Overdue(Clock::time_point now) {
  if (silent_) return;
  silent_ = true;
  num_offences_ = std::min(num_offences_ + 1, 30);
  last_offence_ = now;
}

void WorkerPace::Connected() {
  silent_ = false;
  trusted_from_ = Clock::time_point{};
  round_trip_ = options_.round_trip;
  per_pair_ = options_.per_pair;
  num_offences_ = 0;
  seconds_per_cost_ = 0;
}

}  // namespace coterie

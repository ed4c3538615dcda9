#include "router/experts/worker_speed.h"

#include <algorithm>

#include "router/experts/copy_choice.h"

namespace coterie {
namespace {

// Work that is enough for a measurement, some thousand runs of an expert.
constexpr double kCostMin = 1e5;
// Of a new measurement.
constexpr double kShare = 0.3;
// How far what is measured may be from what is used.
constexpr double kTolerance = 1.6;
constexpr double kFastest = 8;

}  // namespace

void WorkerSpeed::Add(const std::string& instance, uint64_t num_pairs, uint64_t num_runs,
                      uint64_t compute_ns) {
  if (instance == instance_ && num_pairs >= num_pairs_ && num_runs >= num_runs_ &&
      compute_ns >= compute_ns_) {
    cost_ += static_cast<double>(num_pairs - num_pairs_) +
             kReadCost * static_cast<double>(num_runs - num_runs_);
    seconds_ += static_cast<double>(compute_ns - compute_ns_) * 1e-9;
  }
  instance_ = instance;
  num_pairs_ = num_pairs;
  num_runs_ = num_runs;
  compute_ns_ = compute_ns;
  if (cost_ < kCostMin || seconds_ <= 0) return;
  const double now = cost_ / seconds_;
  measured_ = measured_ > 0 ? (1 - kShare) * measured_ + kShare * now : now;
  cost_ = seconds_ = 0;
}

double WorkerSpeed::Use(double mean) {
  if (measured_ <= 0 || mean <= 0) return used_;
  const double relative = std::clamp(measured_ / mean, 1 / kFastest, kFastest);
  if (relative > used_ * kTolerance || relative < used_ / kTolerance) used_ = relative;
  return used_;
}

}  // namespace coterie

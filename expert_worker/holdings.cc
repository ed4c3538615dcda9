#include "expert_worker/holdings.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/parallel.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

// How often a worker that leaves looks whether anybody still plans.
constexpr std::chrono::milliseconds kLeaveTick(50);

int64_t NumExperts(const ModelConfig& config) { return config.num_layers * config.num_experts; }

}  // namespace

Holdings::Holdings(ExpertHost* host, std::timed_mutex* host_mu, ExpertWorkerMetrics* metrics,
                   Options options)
    : host_(host),
      host_mu_(host_mu),
      metrics_(metrics),
      num_threads_(options.num_threads),
      capacity_bytes_(options.capacity_bytes > 0
                          ? options.capacity_bytes
                          : NumExperts(host->config()) * host->expert_bytes()),
      capacity_is_guessed_(options.capacity_is_guessed) {
  const ModelConfig& config = host_->config();
  description_.set_model_digest(host_->checkpoint().digest());
  description_.set_expert_format(DTypeName(host_->format()));
  description_.set_num_layers(static_cast<uint32_t>(config.num_layers));
  description_.set_num_experts(static_cast<uint32_t>(config.num_experts));
  description_.set_model_dim(static_cast<uint32_t>(config.model_dim));
  description_.set_num_threads(static_cast<uint32_t>(num_threads_));
  description_.set_capacity_bytes(static_cast<uint64_t>(capacity_bytes_));
  description_.set_expert_bytes(static_cast<uint64_t>(host_->expert_bytes()));
  description_.set_domain(std::move(options.domain));
  NoteChange();
}

absl::Status Holdings::Load(const Shard& shard) {
  if (!capacity_is_guessed_ && shard.num_held() * host_->expert_bytes() > capacity_bytes_) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "shard ", shard.text(), " is ", shard.num_held(), " experts of ", host_->expert_bytes(),
        " bytes, and there is memory for ", capacity_bytes_, " bytes; raise --memory_bytes"));
  }
  std::lock_guard<std::mutex> moving(moving_);
  const auto start = std::chrono::steady_clock::now();
  {
    std::lock_guard<std::timed_mutex> lock(*host_mu_);
    absl::Status status = host_->Load(shard);
    NoteChange();
    if (!status.ok()) return status;
  }
  LogInfo("shard loaded", {{"shard", shard.text()},
                           {"experts", shard.num_held()},
                           {"bytes", host_->resident_bytes()},
                           {"format", DTypeName(host_->format())},
                           {"took", absl::FromChrono(std::chrono::steady_clock::now() - start)}});
  return absl::OkStatus();
}

bool Holdings::Lease(const std::string& planner, absl::Duration ttl) {
  std::lock_guard<std::mutex> lock(mu_);
  return lease_.Take(planner, absl::ToChronoNanoseconds(ttl), PlannerLease::Clock::now());
}

std::string Holdings::lease_holder() const {
  std::lock_guard<std::mutex> lock(mu_);
  return lease_.Holder(PlannerLease::Clock::now());
}

bool Holdings::HasLease(const std::string& planner) const { return lease_holder() == planner; }

absl::Status Holdings::Move(const std::string& planner, const Shard& load, const Shard& drop,
                            const std::function<bool()>& stop) {
  if (planner.empty() || !HasLease(planner)) {
    return absl::FailedPreconditionError(
        absl::StrCat("move: planner \"", planner, "\" has no lease here; it is \"", lease_holder(),
                     "\"'s: ask for it with Lease"));
  }
  std::lock_guard<std::mutex> moving(moving_);
  RETURN_IF_ERROR(LoadMissing(planner, load, stop));
  return Drop(planner, drop, stop);
}

// Requires moving_, so what is held may be read without the host's lock.
absl::Status Holdings::LoadMissing(const std::string& planner, const Shard& wanted,
                                   const std::function<bool()>& stop) {
  const ModelConfig& config = host_->config();
  // A worker that holds nothing computes nothing: all threads may load.
  Parallel pool(host_->shard().num_held() == 0 ? num_threads_ : 1);
  absl::Status status;
  int64_t num_loaded = 0;
  for (int64_t layer = 0; layer < config.num_layers && status.ok(); ++layer) {
    for (int64_t expert = 0; expert < config.num_experts && status.ok(); ++expert) {
      if (!wanted.Holds(layer, expert) || host_->shard().Holds(layer, expert)) continue;
      if (stop() || !HasLease(planner)) {
        status = absl::CancelledError("move: nobody waits for it any more");
      } else if (host_->resident_bytes() + host_->expert_bytes() > capacity_bytes_) {
        status = absl::ResourceExhaustedError(
            absl::StrCat("move: layer ", layer, " expert ", expert, " is ", host_->expert_bytes(),
                         " bytes, and ", host_->resident_bytes(), " of ", capacity_bytes_,
                         " are taken; raise --memory_bytes"));
      } else if (absl::StatusOr<ExpertWeights> weights = host_->Read(layer, expert, pool);
                 !weights.ok()) {
        status = weights.status();
      } else {
        std::lock_guard<std::timed_mutex> lock(*host_mu_);
        host_->Put(layer, expert, *std::move(weights));
        ++num_loaded;
      }
    }
  }
  if (num_loaded > 0) NoteChange();
  metrics_->loaded_experts.Increment(static_cast<double>(num_loaded));
  return status;
}

absl::Status Holdings::Drop(const std::string& planner, const Shard& unwanted,
                            const std::function<bool()>& stop) {
  const ModelConfig& config = host_->config();
  int64_t num_dropped = 0;
  {
    std::lock_guard<std::timed_mutex> lock(*host_mu_);
    // As late as can be: until here another planner could not have been granted the lease.
    if (stop() || !HasLease(planner))
      return absl::CancelledError("move: nobody waits for it any more");
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      for (int64_t expert = 0; expert < config.num_experts; ++expert) {
        if (!unwanted.Holds(layer, expert) || !host_->shard().Holds(layer, expert)) continue;
        host_->Drop(layer, expert);
        ++num_dropped;
      }
    }
    if (num_dropped > 0) NoteChange();
  }
  metrics_->dropped_experts.Increment(static_cast<double>(num_dropped));
  return absl::OkStatus();
}

void Holdings::Leave(absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mu_);
  description_.set_leaving(true);
  const auto until =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
  const auto is_over = [&] {
    const auto now = PlannerLease::Clock::now();
    return description_.resident_bytes() == 0 || lease_.Holder(now).empty() || now >= until;
  };
  while (!is_over()) changed_.wait_for(lock, kLeaveTick);
}

// Requires moving_, and host_mu_ where the host may be computing.
void Holdings::NoteChange() {
  std::lock_guard<std::mutex> lock(mu_);
  description_.set_shard(host_->shard().text());
  description_.set_resident(host_->shard().Bitmap());
  description_.set_resident_bytes(static_cast<uint64_t>(host_->resident_bytes()));
  description_.set_resident_version(++version_);
  metrics_->resident_bytes.Set(static_cast<double>(host_->resident_bytes()));
  metrics_->resident_experts.Set(static_cast<double>(host_->shard().num_held()));
  changed_.notify_all();
}

v1::WorkerDescription Holdings::Describe() const {
  std::lock_guard<std::mutex> lock(mu_);
  return description_;
}

void Holdings::GetResident(std::string* bitmap, uint64_t* version) const {
  std::lock_guard<std::mutex> lock(mu_);
  *bitmap = description_.resident();
  *version = description_.resident_version();
}

}  // namespace coterie

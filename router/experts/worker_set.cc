#include "router/experts/worker_set.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/grpc_channel.h"
#include "expert_worker/channel/loopback_channel.h"
#include "kernels/status_macros.h"
#include "ops/process/log.h"

namespace coterie {
namespace {

// How soon a start notices a worker that will not do.
constexpr std::chrono::milliseconds kConnectTick(20);

}  // namespace

void WorkerSet::Add(const ChannelMaker& make) {
  loads_.push_back(std::make_unique<WorkerLoad>());
  paces_.emplace_back(pace_options_);
  epochs_.push_back(0);
  channels_.push_back(make(num_workers(), &inbox_));
}

std::unique_ptr<WorkerSet> WorkerSet::Over(int64_t num_layers, int64_t num_experts,
                                           const std::vector<ChannelMaker>& makers,
                                           WorkerPace::Options pace) {
  auto set = std::unique_ptr<WorkerSet>(new WorkerSet(num_layers, num_experts, pace));
  for (const ChannelMaker& make : makers) set->Add(make);
  return set;
}

std::unique_ptr<WorkerSet> WorkerSet::Local(ExpertHost* host) {
  const auto make = [host](int worker, DispatchInbox* inbox) {
    return std::make_unique<LoopbackChannel>(host, worker, inbox);
  };
  return Over(host->config().num_layers, host->config().num_experts, {make});
}

absl::StatusOr<std::unique_ptr<WorkerSet>> WorkerSet::Connect(const Checkpoint& checkpoint,
                                                              DType expert_format,
                                                              const RemoteOptions& options) {
  const ModelConfig& config = checkpoint.config();
  std::vector<GrpcChannel*> links;
  std::vector<ChannelMaker> makers;
  for (size_t i = 0; i < options.addresses.size(); ++i) {
    GrpcChannel::Options link{.worker = {.address = options.addresses[i],
                                         .model_digest = checkpoint.digest(),
                                         .expert_format = DTypeName(expert_format),
                                         .num_layers = config.num_layers,
                                         .num_experts = config.num_experts,
                                         .model_dim = config.model_dim},
                              .shard = absl::StrCat(i, "/", options.addresses.size())};
    if (options.copies > 1) absl::StrAppend(&link.shard, "x", options.copies);
    makers.push_back([link, &links](int worker, DispatchInbox* inbox) {
      auto channel = std::make_unique<GrpcChannel>(link, worker, inbox);
      links.push_back(channel.get());
      return channel;
    });
  }
  auto set = Over(config.num_layers, config.num_experts, makers);
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  // One that is missing is no reason not to serve, if others hold what it would.
  for (;;) {
    const uint64_t seen = set->inbox().num_changes();
    for (const GrpcChannel* link : links) {
      const ExpertChannel::State state = link->state();
      if (absl::IsFailedPrecondition(state.status)) return state.status;
    }
    const auto missing = set->placement().Missing();
    if (!missing.has_value()) break;
    if (absl::Now() >= deadline) return set->OutageOf(*missing);
    set->inbox().WaitForChange(seen, DispatchInbox::Clock::now() + kConnectTick);
  }
  for (const Worker& worker : set->Describe()) {
    if (!worker.connected) continue;
    LogInfo("worker joined", {{"address", worker.name}, {"experts", worker.num_experts}});
  }
  return set;
}

const Placement& WorkerSet::placement() {
  if (const uint64_t change = inbox_.num_changes(); !placed_ || change != placed_change_) {
    std::vector<Shard> residents;
    for (size_t w = 0; w < channels_.size(); ++w) {
      ExpertChannel::State state = channels_[w]->state();
      if (state.epoch != epochs_[w]) paces_[w].Connected();
      epochs_[w] = state.epoch;
      residents.push_back(state.connected ? std::move(state.resident) : Shard());
    }
    placement_ = Placement(residents, num_layers_, num_experts_);
    num_copies_min_ = placement_.num_copies_min();
    placed_ = true;
    placed_change_ = change;
  }
  return placement_;
}

absl::Status WorkerSet::OutageOf(ExpertId expert) const {
  std::string detail;
  for (const auto& channel : channels_) {
    const ExpertChannel::State state = channel->state();
    if (!state.connected) absl::StrAppend(&detail, "; ", state.status.message());
  }
  return ExpertOutage(expert, detail);
}

std::vector<WorkerSet::Worker> WorkerSet::Describe() const {
  std::vector<Worker> workers;
  for (size_t i = 0; i < channels_.size(); ++i) {
    const ExpertChannel::State state = channels_[i]->state();
    workers.push_back({.name = channels_[i]->name(),
                       .connected = state.connected,
                       .status = state.status,
                       .num_experts = state.resident.num_held(),
                       .pairs = loads_[i]->pairs,
                       .compute_seconds = static_cast<double>(loads_[i]->compute_ns) * 1e-9});
  }
  return workers;
}

}  // namespace coterie

#include "router/experts/worker_set.h"

#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/loopback_channel.h"
#include "kernels/check.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

// How soon a start notices a worker that will not do.
constexpr std::chrono::milliseconds kConnectTick(20);

}  // namespace

// Requires joining_, or that nobody else has this yet.
void WorkerSet::Add(const ChannelMaker& make) {
  const int worker = num_workers_;
  CHECK_LT(worker, kWorkersMax);
  std::unique_ptr<Slot>& slot = slots_[static_cast<size_t>(worker)];
  slot = std::make_unique<Slot>(pace_options_);
  slot->channel = make(worker, &inbox_);
  num_workers_ = worker + 1;
  inbox_.NoteChange();
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

std::unique_ptr<WorkerSet> WorkerSet::Remote(const Checkpoint& checkpoint, DType expert_format,
                                             const RemoteOptions& options) {
  const ModelConfig& config = checkpoint.config();
  auto set = Over(config.num_layers, config.num_experts, {});
  set->expected_ = ExpectedWorker{.model_digest = checkpoint.digest(),
                                  .expert_format = DTypeName(expert_format),
                                  .num_layers = config.num_layers,
                                  .num_experts = config.num_experts,
                                  .model_dim = config.model_dim};
  const size_t count = options.addresses.size();
  for (size_t i = 0; i < count; ++i) {
    std::string shard;
    if (options.copies > 0) absl::StrAppend(&shard, i, "/", count);
    if (options.copies > 1) absl::StrAppend(&shard, "x", options.copies);
    set->AddLink(options.addresses[i], shard);
  }
  return set;
}

void WorkerSet::AddLink(const std::string& address, const std::string& shard) {
  GrpcChannel::Options link{.worker = *expected_, .shard = shard};
  link.worker.address = address;
  Add([&link](int worker, DispatchInbox* inbox) {
    return std::make_unique<GrpcChannel>(std::move(link), worker, inbox);
  });
}

absl::StatusOr<int> WorkerSet::Join(const std::string& address) {
  CHECK(expected_.has_value());
  std::lock_guard<std::mutex> lock(joining_);
  for (int worker = 0; worker < num_workers_; ++worker) {
    if (slot(worker).channel->name() == address) return worker;
  }
  if (num_workers_ == kWorkersMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this router knows ", kWorkersMax,
                     " addresses of workers already, gone ones included; restart it to forget"));
  }
  AddLink(address, "");
  return num_workers_ - 1;
}

absl::Status WorkerSet::WaitForHomes(absl::Time deadline) const {
  // One that is missing is no reason not to serve, if others hold what it would.
  for (;;) {
    std::vector<Shard> residents;
    for (Worker& worker : Describe()) {
      if (absl::IsFailedPrecondition(worker.status)) return worker.status;
      residents.push_back(worker.connected ? std::move(worker.held) : Shard());
    }
    const auto missing = Placement(residents, num_layers_, num_experts_).Missing();
    if (!missing.has_value()) return absl::OkStatus();
    if (MonotonicNow() >= deadline) return OutageOf(*missing);
    std::this_thread::sleep_for(kConnectTick);
  }
}

const Placement& WorkerSet::placement() {
  if (const uint64_t change = inbox_.num_changes(); !placed_ || change != placed_change_) {
    std::vector<Shard> residents;
    const int count = num_workers_;
    for (int worker = 0; worker < count; ++worker) {
      Slot& placed = slot(worker);
      ExpertChannel::State state = placed.channel->state();
      if (state.epoch != placed.epoch) placed.pace.Connected();
      placed.epoch = state.epoch;
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
  for (int worker = 0; worker < num_workers_; ++worker) {
    const ExpertChannel::State state = slot(worker).channel->state();
    if (!state.connected) absl::StrAppend(&detail, "; ", state.status.message());
  }
  return ExpertOutage(expert, detail);
}

std::vector<WorkerSet::Worker> WorkerSet::Describe() const {
  std::vector<Worker> workers;
  for (int worker = 0; worker < num_workers_; ++worker) {
    const Slot& described = slot(worker);
    ExpertChannel::State state = described.channel->state();
    workers.push_back({.name = described.channel->name(),
                       .connected = state.connected,
                       .status = std::move(state.status),
                       .held = std::move(state.resident),
                       .pairs = described.load.pairs,
                       .compute_seconds = static_cast<double>(described.load.compute_ns) * 1e-9});
  }
  return workers;
}

}  // namespace coterie

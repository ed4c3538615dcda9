#include "router/experts/worker_set.h"

#include "absl/strings/str_cat.h"
#include "expert_worker/channel/loopback_channel.h"
#include "kernels/status_macros.h"
#include "ops/process/log.h"

namespace coterie {

std::unique_ptr<WorkerSet> WorkerSet::Local(ExpertHost* host) {
  const ModelConfig& config = host->config();
  auto set = std::unique_ptr<WorkerSet>(new WorkerSet(config.num_layers, config.num_experts));
  set->channels_.push_back(std::make_unique<LoopbackChannel>(host));
  set->AddLoad();
  set->placement_ = Placement::Of({&host->shard(), 1}, config.num_layers, config.num_experts);
  set->placed_version_ = set->version_;
  return set;
}

absl::StatusOr<std::unique_ptr<WorkerSet>> WorkerSet::Connect(const Checkpoint& checkpoint,
                                                              DType expert_format,
                                                              const RemoteOptions& options) {
  const ModelConfig& config = checkpoint.config();
  auto set = std::unique_ptr<WorkerSet>(new WorkerSet(config.num_layers, config.num_experts));
  for (size_t i = 0; i < options.addresses.size(); ++i) {
    GrpcChannel::Options link;
    link.address = options.addresses[i];
    link.model_digest = checkpoint.digest();
    link.expert_format = DTypeName(expert_format);
    link.num_layers = config.num_layers;
    link.num_experts = config.num_experts;
    link.model_dim = config.model_dim;
    link.shard = absl::StrCat(i, "/", options.addresses.size());
    link.send_timeout = options.send_timeout;
    link.on_change = [set = set.get()] { set->version_.fetch_add(1); };
    auto channel = std::make_unique<GrpcChannel>(std::move(link));
    set->remote_.push_back(channel.get());
    set->channels_.push_back(std::move(channel));
    set->AddLoad();
  }
  const absl::Time deadline = absl::Now() + options.connect_timeout;
  for (GrpcChannel* channel : set->remote_) {
    RETURN_IF_ERROR(channel->WaitConnected(deadline));
    LogInfo("worker joined",
            {{"address", channel->name()}, {"experts", channel->state().resident.num_held()}});
  }
  RETURN_IF_ERROR(set->placement().status());
  return set;
}

absl::StatusOr<const Placement*> WorkerSet::placement() {
  if (const uint64_t version = version_; version != placed_version_) {
    std::vector<Shard> residents;
    for (const GrpcChannel* channel : remote_) {
      const GrpcChannel::State state = channel->state();
      residents.push_back(state.connected ? state.resident : Shard());
    }
    const bool was_placed = placement_.ok();
    placement_ = Placement::Of(residents, num_layers_, num_experts_);
    placed_version_ = version;
    if (placement_.ok() != was_placed) {
      placement_.ok()
          ? LogInfo("every expert has a home")
          : LogWarning("an expert has no home", {{"reason", placement_.status().message()}});
    }
  }
  if (!placement_.ok()) return MissingWorkers(placement_.status());
  return &*placement_;
}

absl::Status WorkerSet::MissingWorkers(const absl::Status& status) const {
  std::string message(status.message());
  for (const GrpcChannel* channel : remote_) {
    const GrpcChannel::State state = channel->state();
    if (!state.connected) absl::StrAppend(&message, "; ", state.status.message());
  }
  return absl::Status(status.code(), message);
}

std::vector<WorkerSet::Worker> WorkerSet::Describe() const {
  std::vector<Worker> workers;
  for (size_t i = 0; i < channels_.size(); ++i) {
    Worker worker{.name = channels_[i]->name(),
                  .connected = true,
                  .status = absl::OkStatus(),
                  .num_experts = num_layers_ * num_experts_};
    if (!remote_.empty()) {
      const GrpcChannel::State state = remote_[i]->state();
      worker.connected = state.connected;
      worker.status = state.status;
      worker.num_experts = state.resident.num_held();
    }
    worker.pairs = loads_[i]->pairs;
    worker.compute_seconds = static_cast<double>(loads_[i]->compute_ns) * 1e-9;
    workers.push_back(std::move(worker));
  }
  return workers;
}

}  // namespace coterie

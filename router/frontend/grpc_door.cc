#include "router/frontend/grpc_door.h"

#include <utility>

#include "kernels/status_macros.h"
#include "router/frontend/proto_replies.h"
#include "router/frontend/proto_requests.h"

namespace coterie {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);

}  // namespace

GrpcDoor::GrpcDoor(Options options, Completions* completions, const Tenants* tenants,
                   ReaderPool* readers, Engine* engine, WorkerSet* workers, const ExpertLoad* load,
                   RouterMetrics* metrics)
    : options_(std::move(options)),
      completions_(completions),
      tenants_(tenants),
      readers_(readers),
      engine_(engine),
      workers_(workers),
      load_(load),
      metrics_(metrics),
      generator_(this),
      chat_(this),
      pump_(kTick, [this] { DropStuckWriters(); }) {
  // Calls come by gRPC's threads, which take this lock first. ThreadSanitizer cannot see gRPC's
  // own.
  std::lock_guard<std::mutex> lock(mu_);
}

absl::Status GrpcDoor::FillFromCall(const grpc::CallbackServerContext& context,
                                    CompletionOptions* options) const {
  options->deadline = absl::FromChrono(context.deadline());
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  const absl::string_view value =
      found == metadata.end() ? absl::string_view()
                              : absl::string_view(found->second.data(), found->second.size());
  ASSIGN_OR_RETURN(options->tenant, tenants_->TenantOfAuthorization(value));
  return absl::OkStatus();
}

template <typename Reply, typename Request>
grpc::ServerWriteReactor<Reply>* GrpcDoor::Start(grpc::CallbackServerContext* context,
                                                 absl::StatusOr<Request> request,
                                                 size_t num_bytes) {
  const auto reactor = std::make_shared<AnswerReactor<Reply>>(context, &pump_);
  reactor->Hold();
  {
    std::lock_guard<std::mutex> lock(mu_);
    reactors_.push_back(reactor);
  }
  absl::Status status = request.status();
  if (status.ok()) status = FillFromCall(*context, &request->options);
  // The message is read, as it lives no longer than the call; to tokenise it may take a while.
  if (status.ok()) {
    const auto read = std::make_shared<Request>(*std::move(request));
    status = readers_->Post(static_cast<int64_t>(num_bytes), [this, reactor, read] {
      if (!reactor->finished()) reactor->Start(completions_->Start(std::move(*read)));
    });
  }
  if (!status.ok()) {
    metrics_->CountRequest(status);
    reactor->Start(status);
  }
  return reactor.get();
}

grpc::ServerWriteReactor<v1::GenerateReply>* GrpcDoor::GeneratorService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return door_->Start<v1::GenerateReply>(context, ReadTextRequest(*request),
                                         request->ByteSizeLong());
}

grpc::ServerWriteReactor<v1::ChatReply>* GrpcDoor::ChatService::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  return door_->Start<v1::ChatReply>(context, ReadChatRequest(*request), request->ByteSizeLong());
}

void GrpcDoor::DropStuckWriters() {
  std::vector<std::shared_ptr<WriteWatch>> alive;
  {
    std::lock_guard<std::mutex> lock(mu_);
    std::erase_if(reactors_, [&](const std::weak_ptr<WriteWatch>& weak) {
      auto reactor = weak.lock();
      if (reactor == nullptr) return true;
      alive.push_back(std::move(reactor));
      return false;
    });
  }
  const absl::Time limit = absl::Now() - options_.write_timeout;
  for (const auto& reactor : alive) reactor->DropIfStuckSince(limit);
}

grpc::ServerUnaryReactor* GrpcDoor::GeneratorService::GetStatus(
    grpc::CallbackServerContext* context, const v1::GetStatusRequest*, v1::RouterStatus* status) {
  status->set_model_digest(door_->options_.model_digest);
  status->set_expert_format(door_->options_.expert_format);
  status->set_max_context(static_cast<uint64_t>(door_->engine_->options().max_context));
  status->set_running(static_cast<uint32_t>(door_->engine_->num_running()));
  status->set_queued(static_cast<uint32_t>(door_->engine_->num_queued()));
  for (const WorkerSet::Worker& worker : door_->workers_->Describe()) {
    v1::WorkerStatus* out = status->add_workers();
    out->set_name(worker.name);
    out->set_connected(worker.connected);
    out->set_num_experts(static_cast<uint32_t>(worker.held.num_held()));
    out->set_pairs(worker.pairs);
    out->set_compute_seconds(worker.compute_seconds);
    out->set_error(std::string(worker.status.message()));
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* GrpcDoor::GeneratorService::GetExpertLoad(
    grpc::CallbackServerContext* context, const v1::GetExpertLoadRequest*,
    v1::ExpertLoadReply* reply) {
  const ExpertLoad& load = *door_->load_;
  reply->set_num_layers(static_cast<uint32_t>(load.num_layers()));
  reply->set_num_experts(static_cast<uint32_t>(load.num_experts()));
  for (const uint64_t rows : load.Snapshot()) reply->add_rows(rows);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace coterie

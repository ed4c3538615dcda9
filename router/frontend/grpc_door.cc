#include "router/frontend/grpc_door.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "ops/process/clock.h"
#include "router/frontend/journaled_request.h"
#include "router/frontend/proto_replies.h"
#include "router/frontend/proto_requests.h"
#include "router/sampling/new_seed.h"

namespace coterie {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);
// How long the store may take to say what it has of a request.
constexpr absl::Duration kFindLimit = absl::Seconds(2);

}  // namespace

GrpcDoor::GrpcDoor(Options options, Completions* completions, const Tenants* tenants,
                   ReaderPool* readers, RequestJournals* journals, Engine* engine,
                   WorkerSet* workers, const ExpertLoad* load, RouterMetrics* metrics)
    : options_(std::move(options)),
      completions_(completions),
      tenants_(tenants),
      readers_(readers),
      journals_(journals),
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

GrpcDoor::~GrpcDoor() {
  if (journals_ != nullptr) journals_->WaitForFinds();
  readers_->WaitUntilIdle();
}

absl::Status GrpcDoor::FillFromCall(const grpc::CallbackServerContext& context,
                                    CompletionOptions* options) const {
  options->deadline = FromSystemClock(context.deadline());
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  const absl::string_view value =
      found == metadata.end() ? absl::string_view()
                              : absl::string_view(found->second.data(), found->second.size());
  ASSIGN_OR_RETURN(options->tenant, tenants_->TenantOfAuthorization(value));
  return absl::OkStatus();
}

template <typename Reply>
std::shared_ptr<AnswerReactor<Reply>> GrpcDoor::MakeReactor(grpc::CallbackServerContext* context) {
  auto reactor = std::make_shared<AnswerReactor<Reply>>(context, &pump_);
  reactor->Hold();
  std::lock_guard<std::mutex> lock(mu_);
  reactors_.push_back(reactor);
  return reactor;
}

template <typename Reply>
void GrpcDoor::Refuse(AnswerReactor<Reply>* reactor, const absl::Status& status) const {
  metrics_->CountRequest(status);
  reactor->Start(status);
}

template <typename Message>
void GrpcDoor::NoteDown(const Message& message, CompletionOptions* options) const {
  if (journals_ == nullptr || options->request_id.empty()) return;
  if (options->num_choices > kChoicesMax) return;  // it will be refused
  if (!options->has_seed) options->sampling.seed = NewSeed();
  options->has_seed = true;
  options->log = journals_->Open(options->tenant, JournalOf(message, options->sampling.seed),
                                 static_cast<size_t>(std::max<int64_t>(options->num_choices, 1)));
}

template <typename Reply, typename Request, typename Message>
grpc::ServerWriteReactor<Reply>* GrpcDoor::Start(grpc::CallbackServerContext* context,
                                                 absl::StatusOr<Request> request,
                                                 const Message& message) {
  const auto reactor = MakeReactor<Reply>(context);
  absl::Status status = request.status();
  if (status.ok()) status = FillFromCall(*context, &request->options);
  // The message is read, as it lives no longer than the call; to tokenise it may take a while.
  if (status.ok()) {
    NoteDown(message, &request->options);
    const auto read = std::make_shared<Request>(*std::move(request));
    status = readers_->Post(static_cast<int64_t>(message.ByteSizeLong()), [this, reactor, read] {
      if (!reactor->finished()) reactor->Start(completions_->Start(std::move(*read)));
    });
  }
  if (!status.ok()) Refuse(reactor.get(), status);
  return reactor.get();
}

template <typename Request>
absl::StatusOr<std::unique_ptr<Answer>> GrpcDoor::GoOn(const FoundJournal& found,
                                                       const v1::ResumeRequest& resume,
                                                       const CompletionOptions& of_call) const {
  Request request;
  absl::Status status = ReadJournaled(found.request, &request);
  if (status.ok()) status = GoOnFrom(found, resume, &request.options);
  if (!status.ok()) {
    metrics_->CountRequest(status);
    return status;
  }
  CompletionOptions& options = request.options;
  options.tenant = of_call.tenant;
  options.deadline = of_call.deadline;
  options.log = journals_->Reopen(options.tenant, found, options.resumption->drawn);
  auto answer = completions_->Start(std::move(request));
  // To who resumes, OutOfRange is a count that is too high.
  if (absl::IsOutOfRange(answer.status()))
    return absl::FailedPreconditionError(
        absl::StrCat(answer.status().message(), ": resume it on one with as much room"));
  return answer;
}

template <typename Reply, typename Request>
grpc::ServerWriteReactor<Reply>* GrpcDoor::Resume(grpc::CallbackServerContext* context,
                                                  const v1::ResumeRequest& request) {
  const auto reactor = MakeReactor<Reply>(context);
  CompletionOptions of_call;
  absl::Status status = FillFromCall(*context, &of_call);
  if (status.ok() && request.request_id().empty())
    status = absl::InvalidArgumentError("request_id is empty: a request has one to be resumed");
  if (status.ok() && journals_ == nullptr)
    status = absl::FailedPreconditionError(
        "this router has no store that requests are noted down in (--kv_store)");
  if (!status.ok()) {
    Refuse(reactor.get(), status);
    return reactor.get();
  }
  journals_->Find(of_call.tenant, request.request_id(),
                  std::min(of_call.deadline, MonotonicNow() + kFindLimit),
                  [this, reactor, resume = request, of_call](absl::StatusOr<FoundJournal> found) {
                    if (reactor->finished()) return;
                    if (!found.ok()) return Refuse(reactor.get(), found.status());
                    const auto journal = std::make_shared<FoundJournal>(*std::move(found));
                    const auto num_bytes = static_cast<int64_t>(journal->request.ByteSizeLong());
                    const absl::Status posted =
                        readers_->Post(num_bytes, [this, reactor, resume, of_call, journal] {
                          if (!reactor->finished())
                            reactor->Start(GoOn<Request>(*journal, resume, of_call));
                        });
                    if (!posted.ok()) Refuse(reactor.get(), posted);
                  });
  return reactor.get();
}

grpc::ServerWriteReactor<v1::GenerateReply>* GrpcDoor::GeneratorService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return door_->Start<v1::GenerateReply>(context, ReadTextRequest(*request), *request);
}

grpc::ServerWriteReactor<v1::GenerateReply>* GrpcDoor::GeneratorService::Resume(
    grpc::CallbackServerContext* context, const v1::ResumeRequest* request) {
  return door_->Resume<v1::GenerateReply, TextRequest>(context, *request);
}

grpc::ServerWriteReactor<v1::ChatReply>* GrpcDoor::ChatService::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  return door_->Start<v1::ChatReply>(context, ReadChatRequest(*request), *request);
}

grpc::ServerWriteReactor<v1::ChatReply>* GrpcDoor::ChatService::Resume(
    grpc::CallbackServerContext* context, const v1::ResumeRequest* request) {
  return door_->Resume<v1::ChatReply, ChatRequest>(context, *request);
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
  const absl::Time limit = MonotonicNow() - options_.write_timeout;
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

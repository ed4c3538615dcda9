#include "tests/testing/cluster.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  CHECK(result.ok()) << result.status().ToString();
  return *std::move(result);
}

std::unique_ptr<grpc::Server> Serve(const std::vector<grpc::Service*>& services, int* port) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  CHECK(server != nullptr);
  return server;
}

// The counter or gauge of `family` whose only label, if it has one, is `value`.
double Counted(const prometheus::Registry& registry, const std::string& family,
               const std::string& value) {
  for (const prometheus::MetricFamily& found : registry.Collect()) {
    if (found.name != family) continue;
    for (const prometheus::ClientMetric& metric : found.metric) {
      if (metric.label.empty() || metric.label.front().value == value)
        return found.type == prometheus::MetricType::Gauge ? metric.gauge.value
                                                           : metric.counter.value;
    }
  }
  return 0;
}

}  // namespace

WorkerServer::WorkerServer(const std::string& model, const std::string& shard, LoadOptions load,
                           ExpertWorkerService::Options options)
    : checkpoint_(OrDie(Checkpoint::Open(model))), pool_(std::make_unique<Parallel>(1)) {
  const ModelConfig& config = checkpoint_->config();
  host_ = std::make_unique<ExpertHost>(checkpoint_.get(), load, pool_.get());
  metrics_ =
      std::make_unique<ExpertWorkerMetrics>(registry_, config.num_layers, config.num_experts);
  service_ = std::make_unique<ExpertWorkerService>(host_.get(), metrics_.get(), std::move(options));
  if (!shard.empty()) {
    const absl::Status status =
        service_->LoadShard(OrDie(Shard::Parse(shard, config.num_layers, config.num_experts)));
    CHECK(status.ok()) << status.ToString();
  }
  int port = 0;
  server_ = Serve({service_.get()}, &port);
  address_ = absl::StrCat("127.0.0.1:", port);
}

double WorkerServer::ErrorsCounted(const std::string& code) const {
  return Counted(registry_, "expert_worker_errors_total", code);
}

WorkerServer::~WorkerServer() {
  service_->Drain(absl::Now() + absl::Seconds(5));
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
}

std::vector<int32_t> Reply::ids() const {
  std::vector<int32_t> ids;
  for (const v1::GeneratedToken& token : tokens) ids.push_back(token.id());
  return ids;
}

Cluster::Cluster(Options options) {
  for (const std::string& shard : options.shards)
    workers_.push_back(std::make_unique<WorkerServer>(options.model, shard));
  RouterOptions router;
  router.model = options.model;
  router.workers = worker_addresses();
  router.prefill_chunk = options.prefill_chunk;
  router.kv_bytes = options.kv_bytes;
  router.engine = options.engine;
  router.api_keys_file = options.api_keys_file;
  router.copies = options.copies;
  router.cluster = options.cluster;
  router.store = options.store;
  router.journals = options.journals;
  router.workers.insert(router.workers.end(), options.more_workers.begin(),
                        options.more_workers.end());
  router_ = OrDie(RouterStack::Create(std::move(router), registry_));
  int port = 0;
  server_ = Serve(router_->services(), &port);
  address_ = absl::StrCat("127.0.0.1:", port);
  const auto channel = grpc::CreateChannel(address_, grpc::InsecureChannelCredentials());
  stub_ = v1::Generator::NewStub(channel);
  chat_stub_ = v1::Chat::NewStub(channel);
}

Cluster::~Cluster() {
  router_->Stop(absl::Now() + absl::Seconds(5));
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
}

double Cluster::Metric(const std::string& name, const std::string& label_value) const {
  return Counted(registry_, name, label_value);
}

double Cluster::RequestsCounted(const std::string& code) const {
  return Counted(registry_, "router_requests_total", code);
}

std::vector<std::string> Cluster::worker_addresses() const {
  std::vector<std::string> addresses;
  for (const auto& worker : workers_) addresses.push_back(worker->address());
  return addresses;
}

Reply Cluster::Generate(const v1::GenerateRequest& request) { return ReadAll(*stub_, request); }

v1::GenerateRequest TokensRequest(const std::vector<int32_t>& prompt, uint32_t max_tokens) {
  v1::GenerateRequest request;
  for (int32_t id : prompt) request.mutable_tokens()->add_ids(id);
  request.set_max_tokens(max_tokens);
  request.set_ignore_eos(true);
  return request;
}

Reply ReadAll(v1::Generator::Stub& stub, const v1::GenerateRequest& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  const auto reader = stub.Generate(&context, request);
  Reply result;
  for (v1::GenerateReply reply; reader->Read(&reply);) {
    result.text += reply.text();
    result.tokens.insert(result.tokens.end(), reply.tokens().begin(), reply.tokens().end());
    result.finish_reason = reply.finish_reason();
    if (reply.has_stop_id()) result.stop_id = reply.stop_id();
    result.usage = reply.usage();
  }
  result.status = reader->Finish();
  return result;
}

}  // namespace coterie

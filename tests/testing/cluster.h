// Cluster: a router's front door and N expert workers, real code over real gRPC, in one process, on
// free ports.
//
//   Cluster cluster({.model = kCheckpoints + "tiny_f32", .shards = {"0/2", "1/2"}});
//   Reply reply = cluster.Generate(request);
#ifndef COTERIE_TESTS_TESTING_CLUSTER_H_
#define COTERIE_TESTS_TESTING_CLUSTER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "expert_worker/expert_host.h"
#include "expert_worker/metrics.h"
#include "expert_worker/service.h"
#include "prometheus/registry.h"
#include "proto/chat.grpc.pb.h"
#include "proto/generate.grpc.pb.h"
#include "router/router_stack.h"

namespace coterie {

// One expert worker with its server.
class WorkerServer {
 public:
  WorkerServer(const std::string& model, const std::string& shard, LoadOptions load = {},
               ExpertWorkerService::Options options = {});
  ~WorkerServer();

  const std::string& address() const { return address_; }
  ExpertWorkerService& service() { return *service_; }
  // Dispatches and calls that it refused, as it counts them, with `code` ("NOT_FOUND").
  double ErrorsCounted(const std::string& code) const;
  // Streams of routers that have ended.
  double StreamsEnded() const { return metrics_->streams_ended.Value(); }

 private:
  prometheus::Registry registry_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Parallel> pool_;
  std::unique_ptr<ExpertHost> host_;
  std::unique_ptr<ExpertWorkerMetrics> metrics_;
  std::unique_ptr<ExpertWorkerService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// What one call of Generate gave.
struct Reply {
  grpc::Status status;
  std::string text;
  std::vector<v1::GeneratedToken> tokens;
  v1::FinishReason finish_reason = v1::FINISH_REASON_NONE;
  std::optional<int32_t> stop_id;
  v1::Usage usage;

  std::vector<int32_t> ids() const;
};

class Cluster {
 public:
  struct Options {
    std::string model;
    std::vector<std::string> shards;  // one worker each; an empty text waits to be told
    Engine::Options engine;
    int64_t prefill_chunk = 512;
    int64_t kv_bytes = 64 << 20;
    std::string api_keys_file;
    int64_t copies = 1;
    ClusterOptions cluster;
    std::vector<std::string> more_workers;  // addresses, besides those of `shards`
    std::shared_ptr<BlockStore> store;      // where contexts and journals outlive it
    RequestJournals::Options journals;
  };
  explicit Cluster(Options options);
  ~Cluster();

  // Requests that the router counts as ended with `code` ("OK", "CANCELLED").
  double RequestsCounted(const std::string& code) const;

  Reply Generate(const v1::GenerateRequest& request);
  v1::Generator::Stub& stub() { return *stub_; }
  v1::Chat::Stub& chat_stub() { return *chat_stub_; }
  RouterStack& router() { return *router_; }
  const std::string& address() const { return address_; }
  std::vector<std::string> worker_addresses() const;
  // The router's counter or gauge of this name; with a label, the one of that value.
  double Metric(const std::string& name, const std::string& label_value = "") const;

 private:
  std::vector<std::unique_ptr<WorkerServer>> workers_;
  prometheus::Registry registry_;
  std::unique_ptr<RouterStack> router_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::Generator::Stub> stub_;
  std::unique_ptr<v1::Chat::Stub> chat_stub_;
  std::string address_;
};

// A request of token ids, greedy, that does not stop by itself.
v1::GenerateRequest TokensRequest(const std::vector<int32_t>& prompt, uint32_t max_tokens);
// Sends `request` and reads the stream to its end.
Reply ReadAll(v1::Generator::Stub& stub, const v1::GenerateRequest& request);

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_CLUSTER_H_

// GeneratorService: the front door by gRPC. One of gRPC's threads serves a request from its first
// byte to its last: it validates, submits, turns tokens into text, watches for stop strings and for
// a caller who has gone.
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_ROUTER_FRONTEND_SERVICE_H_
#define COTERIE_ROUTER_FRONTEND_SERVICE_H_

#include <atomic>
#include <string>

#include "model/tokenizer.h"
#include "proto/generate.grpc.pb.h"
#include "router/engine/engine.h"
#include "router/experts/expert_load.h"
#include "router/experts/worker_set.h"

namespace coterie {

class GeneratorService final : public v1::Generator::Service {
 public:
  struct Identity {
    std::string model_digest;
    std::string expert_format;
  };
  // None of the pointers is owned; all outlive this.
  GeneratorService(const ModelConfig* config, const Tokenizer* tokenizer, Engine* engine,
                   WorkerSet* workers, const ExpertLoad* load, RouterMetrics* metrics,
                   Identity identity);

  grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateReply>* writer) override;
  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::RouterStatus* status) override;
  grpc::Status GetExpertLoad(grpc::ServerContext* context, const v1::GetExpertLoadRequest* request,
                             v1::ExpertLoadReply* reply) override;

 private:
  absl::StatusOr<std::shared_ptr<TokenStream>> Submit(const grpc::ServerContext& context,
                                                      const v1::GenerateRequest& request);
  absl::Status Serve(grpc::ServerContext* context, const v1::GenerateRequest& request,
                     grpc::ServerWriter<v1::GenerateReply>* writer);
  absl::Status Stream(grpc::ServerContext* context, const v1::GenerateRequest& request,
                      TokenStream* stream, grpc::ServerWriter<v1::GenerateReply>* writer);

  const ModelConfig* const config_;
  const Tokenizer* const tokenizer_;
  Engine* const engine_;
  WorkerSet* const workers_;
  const ExpertLoad* const load_;
  RouterMetrics* const metrics_;
  const Identity identity_;
  std::atomic<uint64_t> num_requests_{0};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_SERVICE_H_

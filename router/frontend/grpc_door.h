// GrpcDoor: the front door by gRPC: the services Generator and Chat. Streams are asynchronous: none
// holds a thread.
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_ROUTER_FRONTEND_GRPC_DOOR_H_
#define COTERIE_ROUTER_FRONTEND_GRPC_DOOR_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "expert_worker/channel/expert_load.h"
#include "proto/chat.grpc.pb.h"
#include "proto/generate.grpc.pb.h"
#include "router/engine/engine.h"
#include "router/experts/worker_set.h"
#include "router/frontend/answer_reactor.h"
#include "router/frontend/completions.h"
#include "router/frontend/pump.h"
#include "router/frontend/reader_pool.h"
#include "router/frontend/tenants.h"
#include "router/journal/request_journals.h"

namespace coterie {

class GrpcDoor {
 public:
  struct Options {
    std::string model_digest;
    std::string expert_format;
    // A caller who does not read for so long is dropped.
    absl::Duration write_timeout = absl::Seconds(30);
  };
  // None of the pointers is owned; all outlive this, and gRPC's server does not. journals: null
  // where there is no store; then nothing is noted down and nothing resumed.
  GrpcDoor(Options options, Completions* completions, const Tenants* tenants, ReaderPool* readers,
           RequestJournals* journals, Engine* engine, WorkerSet* workers, const ExpertLoad* load,
           RouterMetrics* metrics);
  // Waits for what is being read. The server has stopped.
  ~GrpcDoor();

  std::vector<grpc::Service*> services() { return {&generator_, &chat_}; }

 private:
  class GeneratorService final : public v1::Generator::CallbackService {
   public:
    explicit GeneratorService(GrpcDoor* door) : door_(door) {}
    grpc::ServerWriteReactor<v1::GenerateReply>* Generate(
        grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
    grpc::ServerWriteReactor<v1::GenerateReply>* Resume(grpc::CallbackServerContext* context,
                                                        const v1::ResumeRequest* request) override;
    grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                        const v1::GetStatusRequest* request,
                                        v1::RouterStatus* status) override;
    grpc::ServerUnaryReactor* GetExpertLoad(grpc::CallbackServerContext* context,
                                            const v1::GetExpertLoadRequest* request,
                                            v1::ExpertLoadReply* reply) override;

   private:
    GrpcDoor* const door_;
  };
  class ChatService final : public v1::Chat::CallbackService {
   public:
    explicit ChatService(GrpcDoor* door) : door_(door) {}
    grpc::ServerWriteReactor<v1::ChatReply>* Chat(grpc::CallbackServerContext* context,
                                                  const v1::ChatRequest* request) override;
    grpc::ServerWriteReactor<v1::ChatReply>* Resume(grpc::CallbackServerContext* context,
                                                    const v1::ResumeRequest* request) override;

   private:
    GrpcDoor* const door_;
  };

  // What of the request the call says, not the message.
  absl::Status FillFromCall(const grpc::CallbackServerContext& context,
                            CompletionOptions* options) const;
  template <typename Reply>
  std::shared_ptr<AnswerReactor<Reply>> MakeReactor(grpc::CallbackServerContext* context);
  template <typename Reply>
  void Refuse(AnswerReactor<Reply>* reactor, const absl::Status& status) const;
  // message: what `request` was read from.
  template <typename Reply, typename Request, typename Message>
  grpc::ServerWriteReactor<Reply>* Start(grpc::CallbackServerContext* context,
                                         absl::StatusOr<Request> request, const Message& message);
  template <typename Reply, typename Request>
  grpc::ServerWriteReactor<Reply>* Resume(grpc::CallbackServerContext* context,
                                          const v1::ResumeRequest& request);
  // A request that goes on: by a thread that reads.
  template <typename Request>
  absl::StatusOr<std::unique_ptr<Answer>> GoOn(const FoundJournal& found,
                                               const v1::ResumeRequest& resume,
                                               const CompletionOptions& of_call) const;
  // Where the request has a name and there is a store, its tokens are noted down.
  template <typename Message>
  void NoteDown(const Message& message, CompletionOptions* options) const;
  void DropStuckWriters();

  const Options options_;
  Completions* const completions_;
  const Tenants* const tenants_;
  ReaderPool* const readers_;
  RequestJournals* const journals_;
  Engine* const engine_;
  WorkerSet* const workers_;
  const ExpertLoad* const load_;
  RouterMetrics* const metrics_;
  GeneratorService generator_;
  ChatService chat_;
  std::mutex mu_;  // guards reactors_
  std::vector<std::weak_ptr<WriteWatch>> reactors_;
  Pump pump_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_GRPC_DOOR_H_

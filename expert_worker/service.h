// ExpertWorkerService: the worker's end of expert.proto. One stream per router, read and answered
// in order; one batch is computed at a time, with all of the worker's threads.
//
// A dispatch is judged before it is computed: that it is new, its sizes, checksum and indices, and
// that every value is finite. One that does not pass is answered with its error, and the stream
// goes on; so is one that finds too many waiting already, or whose time is over when its turn
// comes.
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_EXPERT_WORKER_SERVICE_H_
#define COTERIE_EXPERT_WORKER_SERVICE_H_

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "expert_worker/channel/expert_load.h"
#include "expert_worker/expert_host.h"
#include "expert_worker/holdings.h"
#include "expert_worker/metrics.h"
#include "proto/expert.grpc.pb.h"

namespace coterie {

class ExpertWorkerService final : public v1::ExpertWorker::Service {
 public:
  struct Options {
    Holdings::Options holdings;
    int max_waiting = 16;  // dispatches of all routers that are here at once, one in hand included
  };
  // host and metrics: not owned, outlive this; the host is used by nobody else.
  ExpertWorkerService(ExpertHost* host, ExpertWorkerMetrics* metrics, Options options);

  absl::Status LoadShard(const Shard& shard) { return holdings_.Load(shard); }

  // Serves on while a planner gives what is held here to others; see Holdings::Leave.
  void Leave(absl::Time deadline) { holdings_.Leave(deadline); }
  // Takes no new streams, lets every dispatch in hand be answered, then ends the streams with
  // UNAVAILABLE. Returns when they have ended, or at the deadline.
  void Drain(absl::Time deadline);

  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                        v1::WorkerDescription* description) override;
  grpc::Status LoadShard(grpc::ServerContext* context, const v1::LoadShardRequest* request,
                         v1::WorkerDescription* description) override;
  grpc::Status Lease(grpc::ServerContext* context, const v1::LeaseRequest* request,
                     v1::LeaseReply* reply) override;
  grpc::Status Move(grpc::ServerContext* context, const v1::MoveRequest* request,
                    v1::WorkerDescription* description) override;
  grpc::Status Exchange(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::CombineReply, v1::DispatchRequest>* stream) override;

 private:
  class Session;

  void Describe(v1::WorkerDescription* description);
  absl::Status JudgeModel(const std::string& digest, const std::string& format);
  grpc::Status Refuse(const absl::Status& status);
  // status: the session's verdict on the frame.
  void Answer(const v1::DispatchRequest& request, absl::Status status, DispatchBatch* batch,
              v1::CombineReply* reply);
  void TellResident(uint64_t* told_version, v1::CombineReply* reply);
  absl::Status Compute(const v1::DispatchRequest& request, DispatchBatch* batch,
                       v1::CombineReply* reply);
  void CountPairs(const DispatchBatch& batch);

  ExpertHost* const host_;
  ExpertWorkerMetrics* const metrics_;
  const int max_waiting_;
  const std::string instance_id_;

  std::atomic<int> num_waiting_{0};  // for host_mu_, or with it
  std::atomic<uint64_t> num_pairs_{0}, num_runs_{0}, compute_ns_{0};
  ExpertLoad pairs_, runs_;   // counted with host_mu_
  std::timed_mutex host_mu_;  // guards *host_
  Holdings holdings_;

  std::mutex mu_;  // guards what follows
  std::condition_variable session_ended_;
  bool draining_ = false;
  std::set<Session*> sessions_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_SERVICE_H_

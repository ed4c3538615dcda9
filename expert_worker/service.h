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
#include "expert_worker/expert_host.h"
#include "expert_worker/metrics.h"
#include "proto/expert.grpc.pb.h"

namespace coterie {

class ExpertWorkerService final : public v1::ExpertWorker::Service {
 public:
  // host and metrics: not owned, outlive this; the host is used by nobody else. max_waiting:
  // dispatches of all routers that are here at once, the one in hand included.
  ExpertWorkerService(ExpertHost* host, ExpertWorkerMetrics* metrics, int num_threads,
                      int max_waiting = 16);

  absl::Status LoadShard(const Shard& shard);

  // Takes no new streams, lets every dispatch in hand be answered, then ends the streams with
  // UNAVAILABLE. Returns when they have ended, or at the deadline.
  void Drain(absl::Time deadline);

  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                        v1::WorkerDescription* description) override;
  grpc::Status LoadShard(grpc::ServerContext* context, const v1::LoadShardRequest* request,
                         v1::WorkerDescription* description) override;
  grpc::Status Exchange(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::CombineReply, v1::DispatchRequest>* stream) override;

 private:
  class Session;

  void DescribeHost();
  void Describe(v1::WorkerDescription* description);
  grpc::Status Refuse(const absl::Status& status);
  // status: the session's verdict on the frame.
  void Answer(const v1::DispatchRequest& request, absl::Status status, DispatchBatch* batch,
              v1::CombineReply* reply);
  absl::Status Compute(const v1::DispatchRequest& request, DispatchBatch* batch,
                       v1::CombineReply* reply);
  void CountPairs(const DispatchBatch& batch);

  ExpertHost* const host_;
  ExpertWorkerMetrics* const metrics_;
  const int num_threads_;
  const int max_waiting_;
  const std::string instance_id_;

  std::atomic<int> num_waiting_{0};  // for host_mu_, or with it
  std::timed_mutex host_mu_;         // guards *host_

  std::mutex mu_;  // guards what follows
  std::condition_variable session_ended_;
  bool draining_ = false;
  v1::WorkerDescription description_;  // as of the last change of what is held
  std::set<Session*> sessions_;
};

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_SERVICE_H_

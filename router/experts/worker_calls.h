// WorkerCalls: a planner's calls to many workers at once: who they are, the lease, moves. One that
// does not answer holds nobody up beyond the deadline.
//
// Thread-compatible: used by the planner's thread.
#ifndef COTERIE_ROUTER_EXPERTS_WORKER_CALLS_H_
#define COTERIE_ROUTER_EXPERTS_WORKER_CALLS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/expert.grpc.pb.h"

namespace coterie {

class WorkerCalls {
 public:
  struct Options {
    std::string planner;  // this router's id
    std::string model_digest, expert_format;
  };
  struct MoveOrder {
    std::string address;
    std::string load, drop;  // bitmaps; empty: none
  };

  explicit WorkerCalls(Options options) : options_(std::move(options)) {}

  // One answer for each address, in their order.
  std::vector<absl::StatusOr<v1::WorkerDescription>> Describe(
      const std::vector<std::string>& addresses, absl::Duration timeout);
  std::vector<absl::StatusOr<v1::LeaseReply>> Lease(const std::vector<std::string>& addresses,
                                                    absl::Duration ttl, absl::Duration timeout);
  std::vector<absl::StatusOr<v1::WorkerDescription>> Move(const std::vector<MoveOrder>& orders,
                                                          absl::Duration timeout);

  const std::string& planner() const { return options_.planner; }

 private:
  template <typename Reply, typename Start>
  std::vector<absl::StatusOr<Reply>> CallAll(const std::vector<std::string>& addresses,
                                             absl::Duration timeout, Start start);
  v1::ExpertWorker::Stub& StubOf(const std::string& address);

  const Options options_;
  std::map<std::string, std::unique_ptr<v1::ExpertWorker::Stub>> stubs_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_WORKER_CALLS_H_

// MembershipService: where workers that announce themselves join (membership.proto).
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_ROUTER_EXPERTS_MEMBERSHIP_SERVICE_H_
#define COTERIE_ROUTER_EXPERTS_MEMBERSHIP_SERVICE_H_

#include <string>

#include "proto/membership.grpc.pb.h"
#include "router/experts/worker_set.h"

namespace coterie {

class MembershipService final : public v1::Membership::Service {
 public:
  struct Options {
    std::string router;  // this router's id
    std::string model_digest, expert_format;
    std::string token;  // the cluster's shared secret; empty: none
  };
  // workers: not owned, outlives this; a Remote set.
  MembershipService(Options options, WorkerSet* workers)
      : options_(std::move(options)), workers_(workers) {}

  grpc::Status Announce(grpc::ServerContext* context, const v1::AnnounceRequest* request,
                        v1::AnnounceReply* reply) override;

 private:
  bool HasToken(const grpc::ServerContext& context) const;

  const Options options_;
  WorkerSet* const workers_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_EXPERTS_MEMBERSHIP_SERVICE_H_

// Handshake: what router and worker settle before rows flow: the same model, the same format, and
// what the worker holds.
#ifndef COTERIE_EXPERT_WORKER_CHANNEL_HANDSHAKE_H_
#define COTERIE_EXPERT_WORKER_CHANNEL_HANDSHAKE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "expert_worker/channel/channel.h"
#include "grpcpp/grpcpp.h"
#include "proto/expert.pb.h"

namespace coterie {

// What a worker must say of itself.
struct ExpectedWorker {
  std::string address;  // for messages
  std::string model_digest;
  std::string expert_format;
  int64_t num_layers = 0;
  int64_t num_experts = 0;
  int64_t model_dim = 0;
};

// FailedPrecondition: another model or format, or a malformed description; names what differs.
// Unavailable: it drains.
absl::Status CheckDescription(const v1::WorkerDescription& description,
                              const ExpectedWorker& expected);
// What a router says of itself with every stream, and a worker checks.
inline constexpr char kModelMetadata[] = "coterie-model";
std::string ModelMetadata(absl::string_view model_digest, absl::string_view expert_format);

// What it holds. FailedPrecondition: of another size than the model.
absl::StatusOr<HeldReport> HeldBy(const v1::WorkerDescription& description,
                                  const ExpectedWorker& expected);

// "expert worker ADDRESS: WHAT: reason", with the code of `status`, Unavailable where that is OK.
absl::Status FromGrpc(const grpc::Status& status, const std::string& address,
                      absl::string_view what);

}  // namespace coterie

#endif  // COTERIE_EXPERT_WORKER_CHANNEL_HANDSHAKE_H_

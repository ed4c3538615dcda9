// absl::Status on gRPC's wire, with the hint when to try again.
#ifndef COTERIE_ROUTER_FRONTEND_GRPC_STATUS_H_
#define COTERIE_ROUTER_FRONTEND_GRPC_STATUS_H_

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "router/engine/retry_after.h"

namespace coterie {

inline constexpr char kRetryAfterKey[] = "retry-after-ms";

inline grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

inline void AddRetryAfter(const absl::Status& status, grpc::CallbackServerContext* context) {
  if (const auto wait = RetryAfter(status))
    context->AddTrailingMetadata(kRetryAfterKey, absl::StrCat(absl::ToInt64Milliseconds(*wait)));
}

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_GRPC_STATUS_H_

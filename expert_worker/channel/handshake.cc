#include "expert_worker/channel/handshake.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace coterie {

absl::Status CheckDescription(const v1::WorkerDescription& description,
                              const ExpectedWorker& expected) {
  const auto differs = [&](absl::string_view what, auto theirs, auto ours) {
    return absl::FailedPreconditionError(absl::StrCat(
        "expert worker ", expected.address, ": its ", what, " is ", theirs, ", this router's is ",
        ours, "; start both with the same model files and --quantise"));
  };
  if (description.model_digest() != expected.model_digest)
    return differs("model digest", description.model_digest(), expected.model_digest);
  if (description.expert_format() != expected.expert_format)
    return differs("expert format", description.expert_format(), expected.expert_format);
  if (description.num_layers() != expected.num_layers)
    return differs("number of layers", description.num_layers(), expected.num_layers);
  if (description.num_experts() != expected.num_experts)
    return differs("number of experts", description.num_experts(), expected.num_experts);
  if (description.model_dim() != expected.model_dim)
    return differs("model dimension", description.model_dim(), expected.model_dim);
  if (description.draining())
    return absl::UnavailableError(absl::StrCat("expert worker ", expected.address, ": draining"));
  return absl::OkStatus();
}

std::string ModelMetadata(absl::string_view model_digest, absl::string_view expert_format) {
  return absl::StrCat(model_digest, " ", expert_format);
}

absl::StatusOr<HeldReport> HeldBy(const v1::WorkerDescription& description,
                                  const ExpectedWorker& expected) {
  absl::StatusOr<Shard> held =
      Shard::FromBitmap(description.resident(), expected.num_layers, expected.num_experts);
  if (!held.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("expert worker ", expected.address, ": ", held.status().message()));
  }
  return HeldReport{.instance = description.instance_id(),
                    .version = description.resident_version(),
                    .held = *std::move(held)};
}

absl::Status FromGrpc(const grpc::Status& status, const std::string& address,
                      absl::string_view what) {
  const auto code = status.ok() ? absl::StatusCode::kUnavailable
                                : static_cast<absl::StatusCode>(status.error_code());
  return absl::Status(
      code, absl::StrCat("expert worker ", address, ": ", what,
                         status.error_message().empty() ? "" : ": ", status.error_message()));
}

}  // namespace coterie

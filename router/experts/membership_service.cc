#include "router/experts/membership_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ops/process/cluster_token.h"

namespace coterie {
namespace {

constexpr size_t kAddressBytesMax = 256;

bool IsVisible(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

// Takes as long for a wrong token as for the right one.
bool MembershipService::HasToken(const grpc::ServerContext& context) const {
  if (options_.token.empty()) return true;
  const auto given = context.client_metadata().find(kClusterTokenMetadata);
  if (given == context.client_metadata().end() || given->second.size() != options_.token.size())
    return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < options_.token.size(); ++i)
    difference |= static_cast<unsigned char>(given->second.data()[i] ^ options_.token[i]);
  return difference == 0;
}

grpc::Status MembershipService::Announce(grpc::ServerContext* context,
                                         const v1::AnnounceRequest* request,
                                         v1::AnnounceReply* reply) {
  if (!HasToken(*context)) {
    return {grpc::StatusCode::UNAUTHENTICATED,
            absl::StrCat("the metadata ", kClusterTokenMetadata,
                         " is not this cluster's token: start both with the same "
                         "--cluster_token_file")};
  }
  const std::string& address = request->address();
  if (address.empty() || address.size() > kAddressBytesMax || !IsVisible(address)) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            absl::StrCat("`address` is host:port or unix:/path, 1 to ", kAddressBytesMax,
                         " visible ASCII characters, found ", address.size(), " bytes")};
  }
  if (request->model_digest() != options_.model_digest ||
      request->expert_format() != options_.expert_format) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            absl::StrCat("the worker has model ", request->model_digest(), " in ",
                         request->expert_format(), ", this router ", options_.model_digest, " in ",
                         options_.expert_format,
                         ": start both with the same model files and --quantise")};
  }
  const absl::StatusOr<int> worker = workers_->Join(address);
  if (!worker.ok()) {
    return {static_cast<grpc::StatusCode>(worker.status().code()),
            std::string(worker.status().message())};
  }
  reply->set_router(options_.router);
  reply->set_connected(workers_->channel(*worker).state().connected);
  return grpc::Status::OK;
}

}  // namespace coterie

#include "expert_worker/announcer.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

#include "ops/process/clock.h"
#include "ops/process/cluster_token.h"
#include "ops/process/log.h"
#include "proto/membership.grpc.pb.h"

namespace coterie {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(2);

}  // namespace

Announcer::Announcer(Options options) : options_(std::move(options)) {
  for (const std::string& router : options_.routers)
    threads_.emplace_back([this, router] { Announce(router); });
}

Announcer::~Announcer() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stop_ = true;
  }
  stopped_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Announcer::Announce(const std::string& router) {
  const auto stub =
      v1::Membership::NewStub(grpc::CreateChannel(router, grpc::InsecureChannelCredentials()));
  v1::AnnounceRequest request;
  request.set_address(options_.address);
  request.set_model_digest(options_.model_digest);
  request.set_expert_format(options_.expert_format);
  grpc::StatusCode last = grpc::StatusCode::OK;
  for (;;) {
    grpc::ClientContext context;
    context.set_deadline(ToSystemClock(MonotonicNow() + kCallTimeout));
    if (!options_.token.empty()) context.AddMetadata(kClusterTokenMetadata, options_.token);
    v1::AnnounceReply reply;
    const grpc::Status status = stub->Announce(&context, request, &reply);
    // One line for each change.
    if (status.error_code() != std::exchange(last, status.error_code())) {
      status.ok() ? LogInfo("router takes announcements", {{"router", router}})
                  : LogWarning("router takes no announcement",
                               {{"router", router}, {"reason", status.error_message()}});
    }
    std::unique_lock<std::mutex> lock(mu_);
    if (stopped_.wait_for(lock, absl::ToChronoNanoseconds(options_.period), [&] { return stop_; }))
      return;
  }
}

}  // namespace coterie

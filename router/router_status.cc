// router_status: what a router says of itself: its model, its workers, and on request how often
// each expert was chosen.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "ops/process/clock.h"
#include "ops/process/flags.h"
#include "proto/generate.grpc.pb.h"

ABSL_FLAG(std::string, router, "127.0.0.1:9000", "Address of the router.");
ABSL_FLAG(bool, expert_load, false,
          "Print the rows that each expert has got since the router started, as CSV, one line a "
          "layer; instead of the status.");
ABSL_FLAG(absl::Duration, timeout, absl::Seconds(10), "Deadline of the call.");

namespace coterie {
namespace {

int Fail(const grpc::Status& status) {
  std::fprintf(stderr, "router_status: %s: %s\n", absl::GetFlag(FLAGS_router).c_str(),
               status.error_message().c_str());
  return 1;
}

int PrintExpertLoad(v1::Generator::Stub& stub, grpc::ClientContext& context) {
  v1::ExpertLoadReply load;
  if (const grpc::Status status = stub.GetExpertLoad(&context, {}, &load); !status.ok())
    return Fail(status);
  for (int i = 0; i < load.rows_size(); ++i) {
    const bool last = (i + 1) % static_cast<int>(load.num_experts()) == 0;
    std::printf("%llu%c", static_cast<unsigned long long>(load.rows(i)), last ? '\n' : ',');
  }
  return 0;
}

int PrintStatus(v1::Generator::Stub& stub, grpc::ClientContext& context) {
  v1::RouterStatus router;
  if (const grpc::Status status = stub.GetStatus(&context, {}, &router); !status.ok())
    return Fail(status);
  std::printf("model %s, experts in %s, context up to %llu tokens; %u running, %u queued\n",
              router.model_digest().c_str(), router.expert_format().c_str(),
              static_cast<unsigned long long>(router.max_context()), router.running(),
              router.queued());
  for (const v1::WorkerStatus& worker : router.workers()) {
    std::printf("expert worker %s: %s, %u experts, %llu rows computed in %.3f s\n",
                worker.name().c_str(),
                worker.connected() ? "connected" : ("gone: " + worker.error()).c_str(),
                worker.num_experts(), static_cast<unsigned long long>(worker.pairs()),
                worker.compute_seconds());
  }
  return 0;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Prints what a Coterie router says of itself.");
  const auto stub = coterie::v1::Generator::NewStub(
      grpc::CreateChannel(absl::GetFlag(FLAGS_router), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(
      coterie::ToSystemClock(coterie::MonotonicNow() + absl::GetFlag(FLAGS_timeout)));
  return absl::GetFlag(FLAGS_expert_load) ? coterie::PrintExpertLoad(*stub, context)
                                          : coterie::PrintStatus(*stub, context);
}

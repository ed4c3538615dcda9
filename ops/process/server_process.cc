#include "ops/process/server_process.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/allocator.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"
#include "ops/process/port_file.h"
#include "ops/process/version.h"

namespace coterie {
namespace {

// gRPC's own complaints become events of our log.
void LogFromGrpc(gpr_log_func_args* args) {
  const LogFields fields = {{"message", args->message}, {"file", args->file}, {"line", args->line}};
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    LogWarning("grpc", fields);
  } else {
    LogDebug("grpc", fields);
  }
}

std::string Endpoint(const ServerOptions& options) {
  if (absl::StartsWith(options.listen_address, "unix:")) return options.listen_address;
  return absl::StrCat(options.listen_address, ":", options.port);
}

}  // namespace

ServerProcess::ServerProcess(ServerOptions options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Create(ServerOptions options) {
  options.keeps_memory ? KeepFreedMemory() : KeepLargeMessages();
  gpr_set_log_function(LogFromGrpc);
  std::unique_ptr<ServerProcess> process(new ServerProcess(std::move(options)));
  // For good: gRPC that ends with its last server waits for its own poller, 10 s now and then. Its
  // threads come after the signals are blocked.
  grpc_init();
  process->drain_signal_.SetSomethingToFinish(false);
  const ServerOptions& o = process->options_;
  ASSIGN_OR_RETURN(process->exposer_,
                   MetricsExposer::Create(o.name, o.metrics_address, o.metrics_port));
  RETURN_IF_ERROR(WritePortFile(o.metrics_port_file, process->metrics_port()));
  LogInfo("starting", {{"version", kVersion}, {"metrics_port", process->metrics_port()}});
  return process;
}

ServerProcess::~ServerProcess() {
  CHECK(server_ == nullptr) << "Stop() must come before the end of a ServerProcess";
}

absl::Status ServerProcess::Start(const std::vector<grpc::Service*>& services,
                                  const std::function<void(grpc::ServerBuilder&)>& configure) {
  CHECK(server_ == nullptr) << "Start() is called once";
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // With port reuse on, two processes would share a port without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Routers look after idle links (grpc_channel.cc); that is no flood.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
  const std::string endpoint = Endpoint(options_);
  builder.AddListeningPort(endpoint, grpc::InsecureServerCredentials(), &port_);
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (configure) configure(builder);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", endpoint, ": is the port taken, or the address not of this machine?"));
  }
  drain_signal_.SetSomethingToFinish(true);
  SetServing(true);
  if (absl::Status status = WritePortFile(options_.port_file, port_); !status.ok()) {
    Stop(MonotonicNow());
    return status;
  }
  LogInfo("serving", {{"address", options_.listen_address}, {"port", port_}});
  return absl::OkStatus();
}

void ServerProcess::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

absl::Time ServerProcess::WaitForDrain() {
  drain_signal_.Wait();
  SetServing(false);
  LogInfo("drain began", {{"timeout", options_.drain_timeout}});
  return MonotonicNow() + options_.drain_timeout;
}

void ServerProcess::Stop(absl::Time deadline) {
  if (server_ == nullptr) return;
  server_->Shutdown(ToSystemClock(deadline));
  server_->Wait();
  server_ = nullptr;
  LogInfo("stopped");
}

}  // namespace coterie

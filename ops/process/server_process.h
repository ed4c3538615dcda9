// The shell of a serving process: its port, health, reflection, metrics and the way it leaves.
//
//   absl::Status Run() {
//     ASSIGN_OR_RETURN(auto process, ServerProcess::Create(ServerOptionsFromFlags("worker")));
//     Metrics metrics(process->metrics());
//     ...load; health does not answer yet, a signal ends the process...
//     RETURN_IF_ERROR(process->Start({&service}));  // serving from here on
//     // SIGTERM or SIGINT; health says NOT_SERVING.
//     const absl::Time deadline = process->WaitForDrain();
//     service.Drain(deadline);
//     process->Stop(deadline);
//     return absl::OkStatus();
//   }
//
// Requires: created by the main thread before any other thread exists (see DrainSignal). Owned by
// the main thread; SetServing and RequestDrain may be called by any thread once Start has returned.
#ifndef COTERIE_OPS_PROCESS_SERVER_PROCESS_H_
#define COTERIE_OPS_PROCESS_SERVER_PROCESS_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ops/process/drain_signal.h"
#include "ops/process/metrics_exposer.h"

namespace grpc {
class Server;
class ServerBuilder;
class Service;
}  // namespace grpc

namespace coterie {

struct ServerOptions {
  std::string name = "coterie";              // in logs and in coterie_build_info
  std::string listen_address = "127.0.0.1";  // or `unix:/path`, then `port` has no meaning
  int port = 0;                              // 0 takes a free one
  std::string port_file;  // where the port is written once calls are accepted; empty: nowhere
  std::string metrics_address = "127.0.0.1";
  int metrics_port = 0;
  std::string metrics_port_file;
  absl::Duration drain_timeout = absl::Seconds(30);
  bool keeps_memory = false;  // KeepFreedMemory (allocator.h)
};

// From --listen_address, --port, --port_file, --metrics_port, --metrics_port_file, --drain_timeout.
// Also names the process in the log and takes --log_level.
ServerOptions ServerOptionsFromFlags(absl::string_view name);

class ServerProcess {
 public:
  // Takes the signals, tunes the allocator and serves /metrics. Unavailable when the metrics port
  // is taken.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Create(ServerOptions options);

  // Stop must have been called if Start was.
  ~ServerProcess();

  // Where the process registers its metrics.
  prometheus::Registry& metrics() { return exposer_->registry(); }
  // What is asked at each scrape instead, for as long as it lives.
  void AddMetrics(const std::shared_ptr<prometheus::Collectable>& collectable) {
    exposer_->Add(collectable);
  }
  // The page at /metrics, for processes that have other doors too.
  std::string MetricsText() const { return exposer_->Text(); }

  // Accepts calls on the port and says SERVING. The services outlive Stop. `configure` may change
  // the gRPC server's limits. Unavailable when the port is taken, InvalidArgument when the address
  // is not one.
  absl::Status Start(const std::vector<grpc::Service*>& services,
                     const std::function<void(grpc::ServerBuilder&)>& configure = nullptr);

  int port() const { return port_; }
  int metrics_port() const { return exposer_->port(); }

  // What grpc.health.v1 answers; a process whose peers are gone may say false for a while.
  void SetServing(bool serving);

  // Blocks until SIGTERM, SIGINT or RequestDrain, says NOT_SERVING, and returns the time by which
  // to have left.
  absl::Time WaitForDrain();
  void RequestDrain() { drain_signal_.Request(); }
  // Gives up after `timeout`; true when a drain was asked for. Says nothing to anybody.
  bool WaitForSignal(absl::Duration timeout) { return drain_signal_.WaitFor(timeout); }

  // Takes no new calls, lets those in hand end until `deadline`, then cancels them.
  void Stop(absl::Time deadline);

 private:
  explicit ServerProcess(ServerOptions options);

  const ServerOptions options_;
  DrainSignal drain_signal_;
  std::unique_ptr<MetricsExposer> exposer_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_SERVER_PROCESS_H_

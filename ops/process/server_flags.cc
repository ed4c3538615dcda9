// The flags that every serving process has.
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "ops/process/flags.h"
#include "ops/process/log.h"
#include "ops/process/server_process.h"

ABSL_FLAG(std::string, listen_address, "127.0.0.1",
          "Address to accept calls on: 0.0.0.0 for every interface, or unix:/path. There is no "
          "authentication: keep it inside a network that you trust.");
ABSL_FLAG(int32_t, port, 0, "Port to accept calls on; 0 takes a free one (see --port_file).");
ABSL_FLAG(
    std::string, port_file, "",
    "File to write the port to as soon as calls are accepted, for whoever started the process.");
ABSL_FLAG(std::string, metrics_address, "127.0.0.1", "Address to serve http /metrics on.");
ABSL_FLAG(int32_t, metrics_port, 0, "Port to serve http /metrics on; 0 takes a free one.");
ABSL_FLAG(std::string, metrics_port_file, "", "File to write the metrics port to.");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(30),
          "After SIGTERM or SIGINT, how long requests in hand may take to end (as 500ms, 30s, 2m). "
          "A second "
          "signal ends the process at once.");
ABSL_FLAG(std::string, log_level, "info", "Least level of the log: debug, info, warning or error.");

namespace coterie {
namespace {

LogLevel ParseLogLevel(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  ExitWithUsageError(
      absl::StrCat("--log_level cannot be '", name, "': expected debug, info, warning or error"));
}

int PortFlag(absl::string_view name, int port) {
  if (port < 0 || port > 65535) {
    ExitWithUsageError(absl::StrCat("--", name, " cannot be ", port, ": expected 0 to 65535"));
  }
  return port;
}

}  // namespace

ServerOptions ServerOptionsFromFlags(absl::string_view name) {
  InitLog(name, ParseLogLevel(absl::GetFlag(FLAGS_log_level)));
  if (absl::GetFlag(FLAGS_drain_timeout) < absl::ZeroDuration()) {
    ExitWithUsageError("--drain_timeout cannot be negative");
  }
  ServerOptions options;
  options.name = std::string(name);
  options.listen_address = absl::GetFlag(FLAGS_listen_address);
  options.port = PortFlag("port", absl::GetFlag(FLAGS_port));
  options.port_file = absl::GetFlag(FLAGS_port_file);
  options.metrics_address = absl::GetFlag(FLAGS_metrics_address);
  options.metrics_port = PortFlag("metrics_port", absl::GetFlag(FLAGS_metrics_port));
  options.metrics_port_file = absl::GetFlag(FLAGS_metrics_port_file);
  options.drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  return options;
}

}  // namespace coterie

// Serves the metrics of a process over HTTP at /metrics, in Prometheus' text format.
//
// Thread-safe. Metrics are registered in registry() at start and must not outlive the exposer.
#ifndef COTERIE_OPS_PROCESS_METRICS_EXPOSER_H_
#define COTERIE_OPS_PROCESS_METRICS_EXPOSER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace prometheus {
class Collectable;
class Exposer;
class Registry;
}  // namespace prometheus

namespace coterie {

class ProcessMetrics;

class MetricsExposer {
 public:
  // Listens on `address:port`; port 0 takes a free one. Unavailable when the port is taken.
  static absl::StatusOr<std::unique_ptr<MetricsExposer>> Create(absl::string_view process_name,
                                                                const std::string& address,
                                                                int port);
  ~MetricsExposer();

  prometheus::Registry& registry() { return *registry_; }
  // What is asked for its values at each scrape, for as long as it lives.
  void Add(const std::shared_ptr<prometheus::Collectable>& collectable);
  int port() const { return port_; }
  // What /metrics says, without the exposer's own and what was added.
  std::string Text() const;

 private:
  MetricsExposer() = default;

  std::shared_ptr<prometheus::Registry> registry_;
  std::shared_ptr<ProcessMetrics> process_metrics_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // holds weak pointers to the two above
  std::string address_;
  int port_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_METRICS_EXPOSER_H_

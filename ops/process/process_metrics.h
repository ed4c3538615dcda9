// What every process says about itself: `coterie_build_info`, `process_start_time_seconds`,
// `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_threads` and
// `process_open_fds`, read from /proc when they are asked for.
#ifndef COTERIE_OPS_PROCESS_PROCESS_METRICS_H_
#define COTERIE_OPS_PROCESS_PROCESS_METRICS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace coterie {

// Thread-safe.
class ProcessMetrics : public prometheus::Collectable {
 public:
  // `process_name` becomes the label `process` of coterie_build_info.
  explicit ProcessMetrics(absl::string_view process_name);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string process_name_;
  const double start_time_seconds_;
};

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_PROCESS_METRICS_H_

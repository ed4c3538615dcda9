// Compares what a process exposes at /metrics with the table in docs/metrics.md, both ways.
//
//   const auto exposed = ParseMetricsText(body);
//   const auto documented = ParseMetricsTable(markdown);
//   EXPECT_THAT(CompareMetrics(exposed, documented, {"router_", "process_"}), IsEmpty());
#ifndef COTERIE_TESTS_OPS_PROCESS_METRICS_TABLE_H_
#define COTERIE_TESTS_OPS_PROCESS_METRICS_TABLE_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace coterie {

// What is compared of one metric family. `le` and `quantile` belong to the type and are left out of
// the labels.
struct MetricDescription {
  std::string type;  // counter, gauge, histogram or summary
  std::set<std::string> labels;

  bool operator==(const MetricDescription&) const = default;
};

using MetricDescriptions = std::map<std::string, MetricDescription>;

// From Prometheus' text format.
MetricDescriptions ParseMetricsText(absl::string_view text);

// From the rows `| metric | type | unit | labels | …` of every table in a Markdown page whose first
// heading is `metric`. Names, types and labels may stand in backticks; labels are separated by
// commas, and `-`, `none` or nothing means none.
MetricDescriptions ParseMetricsTable(absl::string_view markdown);

// A sentence for each metric that is exposed but not documented, documented (with one of
// `prefixes`) but not exposed, or described differently. Empty when all agree.
std::vector<std::string> CompareMetrics(const MetricDescriptions& exposed,
                                        const MetricDescriptions& documented,
                                        const std::vector<std::string>& prefixes);

}  // namespace coterie

#endif  // COTERIE_TESTS_OPS_PROCESS_METRICS_TABLE_H_

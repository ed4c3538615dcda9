// The judge of docs/metrics.md: it must see each way in which a page and a process can disagree.
#include "tests/ops/process/metrics_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coterie {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kText[] =
    "# HELP router_steps_total Steps.\n"
    "# TYPE router_steps_total counter\n"
    "router_steps_total{kind=\"decode\",note=\"a,b=\\\"c\\\"}\"} 3\n"
    "# HELP router_wait_seconds Wait.\n"
    "# TYPE router_wait_seconds histogram\n"
    "router_wait_seconds_bucket{le=\"0.1\"} 3\n"
    "router_wait_seconds_sum 0.5\n"
    "router_wait_seconds_count 3\n";

constexpr char kTable[] =
    "# Metrics\n\n"
    "| metric | type | unit | labels | meaning | when it is bad |\n"
    "|---|---|---|---|---|---|\n"
    "| `router_steps_total` | counter | steps | `kind`, `note` | … | … |\n"
    "| `router_wait_seconds` | histogram | s | - | … | … |\n"
    "\nProse | with | bars | in | it | here.\n";

TEST(MetricsTableTest, AgreeingPageAndProcessDifferInNothing) {
  EXPECT_THAT(CompareMetrics(ParseMetricsText(kText), ParseMetricsTable(kTable), {"router_"}),
              IsEmpty());
}

TEST(MetricsTableTest, UndocumentedMetricIsNamed) {
  MetricDescriptions documented = ParseMetricsTable(kTable);
  documented.erase("router_steps_total");
  EXPECT_THAT(CompareMetrics(ParseMetricsText(kText), documented, {"router_"}),
              ElementsAre(HasSubstr("router_steps_total is exposed")));
}

TEST(MetricsTableTest, RowOfNothingIsNamedUnlessItBelongsToAnotherProcess) {
  MetricDescriptions documented = ParseMetricsTable(kTable);
  documented["router_gone"] = {"gauge", {}};
  documented["expert_worker_rows_total"] = {"counter", {}};
  EXPECT_THAT(CompareMetrics(ParseMetricsText(kText), documented, {"router_"}),
              ElementsAre("router_gone has a row but is not exposed"));
}

TEST(MetricsTableTest, WrongTypeOrLabelsAreNamed) {
  MetricDescriptions documented = ParseMetricsTable(kTable);
  documented["router_steps_total"].labels = {"kind"};
  documented["router_wait_seconds"].type = "summary";
  EXPECT_THAT(CompareMetrics(ParseMetricsText(kText), documented, {"router_"}),
              ElementsAre(HasSubstr("labels {kind, note}, its row says counter with labels {kind}"),
                          HasSubstr("is a histogram with labels {}, its row says summary")));
}

}  // namespace
}  // namespace coterie

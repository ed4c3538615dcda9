#include "bench/serve/exchange_cost.h"

#include <fstream>
#include <sstream>
#include <string>

namespace coterie {
namespace {

// Over all labels; of a histogram, the sum of what was observed.
double TotalOf(const prometheus::MetricFamily& family) {
  double total = 0;
  for (const prometheus::ClientMetric& metric : family.metric)
    total += metric.counter.value + metric.histogram.sample_sum;
  return total;
}

double NetworkBytes() {
  std::ifstream counters("/proc/self/net/dev");
  double total = 0;
  std::string line;
  while (std::getline(counters, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;  // a heading
    std::istringstream fields(line.substr(colon + 1));
    double received = 0, sent = 0, other = 0;
    fields >> received;
    for (int field = 1; field < 8; ++field) fields >> other;
    fields >> sent;
    const std::string name = line.substr(line.find_first_not_of(' '));
    total += name.rfind("lo:", 0) == 0 ? received : received + sent;
  }
  return total;
}

}  // namespace

ExchangeCost ExchangeCost::SoFar(const prometheus::Registry& registry) {
  ExchangeCost cost;
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    if (family.name == "router_exchange_seconds") cost.exchange_seconds = TotalOf(family);
    if (family.name == "router_dense_branch_seconds") cost.dense_seconds = TotalOf(family);
    if (family.name == "router_dispatch_wait_seconds") cost.wait_seconds = TotalOf(family);
    if (family.name == "router_worker_compute_seconds_total")
      cost.compute_seconds = TotalOf(family);
    if (family.name == "router_worker_link_seconds") {
      cost.link_seconds = TotalOf(family);
      for (const prometheus::ClientMetric& metric : family.metric)
        cost.num_answers += static_cast<double>(metric.histogram.sample_count);
    }
    if (family.name == "router_worker_sent_bytes_total") cost.row_bytes_out = TotalOf(family);
    if (family.name == "router_worker_received_bytes_total") cost.row_bytes_back = TotalOf(family);
  }
  cost.wire_bytes = NetworkBytes();
  return cost;
}

ExchangeCost ExchangeCost::Since(const ExchangeCost& before, double n) const {
  return {.exchange_seconds = (exchange_seconds - before.exchange_seconds) / n,
          .dense_seconds = (dense_seconds - before.dense_seconds) / n,
          .wait_seconds = (wait_seconds - before.wait_seconds) / n,
          .compute_seconds = (compute_seconds - before.compute_seconds) / n,
          .link_seconds = (link_seconds - before.link_seconds) / n,
          .num_answers = (num_answers - before.num_answers) / n,
          .row_bytes_out = (row_bytes_out - before.row_bytes_out) / n,
          .row_bytes_back = (row_bytes_back - before.row_bytes_back) / n,
          .wire_bytes = (wire_bytes - before.wire_bytes) / n};
}

}  // namespace coterie

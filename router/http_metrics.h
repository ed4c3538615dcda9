// HttpMetrics: what the HTTP server does, for Prometheus. docs/metrics.md has a row for each.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_HTTP_METRICS_H_
#define COTERIE_ROUTER_HTTP_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>

#include "router/http/http_observer.h"

namespace coterie {

class HttpMetrics final : public HttpObserver {
 public:
  explicit HttpMetrics(prometheus::Registry& registry)
      : connections_(prometheus::BuildGauge()
                         .Name("router_http_connections")
                         .Help("Open HTTP connections")
                         .Register(registry)
                         .Add({})),
        replies_(prometheus::BuildCounter()
                     .Name("router_http_replies_total")
                     .Help("HTTP replies begun, by status")
                     .Register(registry)),
        sent_bytes_(prometheus::BuildCounter()
                        .Name("router_http_sent_bytes_total")
                        .Help("Bytes sent to HTTP clients")
                        .Register(registry)
                        .Add({})),
        dropped_(prometheus::BuildCounter()
                     .Name("router_http_dropped_total")
                     .Help("HTTP replies that were not taken to their end, by reason")
                     .Register(registry)),
        slow_readers_(dropped_.Add({{"reason", "slow_reader"}})),
        clients_gone_(dropped_.Add({{"reason", "client_gone"}})) {}

  void ConnectionsOpen(int64_t num_open) override {
    connections_.Set(static_cast<double>(num_open));
  }
  void Answered(int status) override {
    replies_.Add({{"status", std::to_string(status)}}).Increment();
  }
  void BytesSent(int64_t num_bytes) override {
    sent_bytes_.Increment(static_cast<double>(num_bytes));
  }
  void SlowReaderDropped() override { slow_readers_.Increment(); }
  void ClientGone() override { clients_gone_.Increment(); }

 private:
  prometheus::Gauge& connections_;
  prometheus::Family<prometheus::Counter>& replies_;
  prometheus::Counter& sent_bytes_;
  prometheus::Family<prometheus::Counter>& dropped_;
  prometheus::Counter& slow_readers_;
  prometheus::Counter& clients_gone_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_METRICS_H_

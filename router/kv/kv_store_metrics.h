// KvStoreMetrics: what passes between a router and the store behind its cache, for Prometheus.
// docs/metrics.md has a row for each.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_KV_KV_STORE_METRICS_H_
#define COTERIE_ROUTER_KV_KV_STORE_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

#include "kv_store/block_id.h"

namespace coterie {

class KvStoreMetrics {
 public:
  explicit KvStoreMetrics(prometheus::Registry& registry)
      : lookups_(Counters(registry, "router_kv_store_lookups_total",
                          "Contexts looked up in the store, by what came of it")),
        tokens_(Counters(registry, "router_kv_store_tokens_total",
                         "Prompt tokens that the store had and the router had not, by outcome")),
        written_(Counters(registry, "router_kv_store_written_objects_total",
                          "Objects given to the store, by kind")),
        dropped_(Counters(registry, "router_kv_store_dropped_objects_total",
                          "Objects that were not written, by whose queue was full")),
        lookup_found(lookups_.Add({{"result", "found"}})),
        lookup_nothing(lookups_.Add({{"result", "nothing"}})),
        lookup_failed(lookups_.Add({{"result", "failed"}})),
        lookup_late(lookups_.Add({{"result", "late"}})),
        lookup_not_needed(lookups_.Add({{"result", "not_needed"}})),
        lookup_not_asked(lookups_.Add({{"result", "not_asked"}})),
        tokens_fetched(tokens_.Add({{"outcome", "fetched"}})),
        tokens_cheaper(tokens_.Add({{"outcome", "cheaper_to_compute"}})),
        tokens_late(tokens_.Add({{"outcome", "late"}})),
        tokens_failed(tokens_.Add({{"outcome", "failed"}})),
        written_global(written_.Add({{"kind", "global"}})),
        written_local(written_.Add({{"kind", "local"}})),
        written_checkpoint(written_.Add({{"kind", "checkpoint"}})),
        dropped_by_router(dropped_.Add({{"queue", "router"}})),
        dropped_by_store(dropped_.Add({{"queue", "store"}})),
        written_bytes(Counters(registry, "router_kv_store_written_bytes_total",
                               "Bytes of objects given to the store")
                          .Add({})),
        fetched_bytes(Counters(registry, "router_kv_store_fetched_bytes_total",
                               "Bytes of objects that came from the store")
                          .Add({})),
        fetch_seconds(prometheus::BuildHistogram()
                          .Name("router_kv_store_fetch_seconds")
                          .Help("From asking for a context's objects to the last of them")
                          .Register(registry)
                          .Add({}, prometheus::Histogram::BucketBoundaries{1e-3, 2e-3, 5e-3, 10e-3,
                                                                           20e-3, 50e-3, 0.1, 0.2,
                                                                           0.5, 1, 2, 5, 10})),
        available(prometheus::BuildGauge()
                      .Name("router_kv_store_available")
                      .Help("1 while the store is asked; 0: it failed, or there is none")
                      .Register(registry)
                      .Add({})) {}

  prometheus::Counter& WrittenOf(BlockKind kind) {
    return kind == BlockKind::kGlobal  ? written_global
           : kind == BlockKind::kLocal ? written_local
                                       : written_checkpoint;
  }

 private:
  using Family = prometheus::Family<prometheus::Counter>;

  static Family& Counters(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }

  Family &lookups_, &tokens_, &written_, &dropped_;

 public:
  prometheus::Counter &lookup_found, &lookup_nothing, &lookup_failed, &lookup_late,
      &lookup_not_needed, &lookup_not_asked;
  prometheus::Counter &tokens_fetched, &tokens_cheaper, &tokens_late, &tokens_failed;
  prometheus::Counter &written_global, &written_local, &written_checkpoint;
  prometheus::Counter &dropped_by_router, &dropped_by_store;
  prometheus::Counter &written_bytes, &fetched_bytes;
  prometheus::Histogram& fetch_seconds;
  prometheus::Gauge& available;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_STORE_METRICS_H_

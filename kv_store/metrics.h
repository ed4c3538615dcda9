// Every metric of a kv_store, read from the node when a scraper asks. docs/metrics.md has a row for
// each.
#ifndef COTERIE_KV_STORE_METRICS_H_
#define COTERIE_KV_STORE_METRICS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

#include "kv_store/call_gate.h"
#include "kv_store/objects_service.h"
#include "kv_store/store_node.h"

namespace coterie {

// Thread-safe.
class NodeMetrics : public prometheus::Collectable {
 public:
  // Not owned, outlive this.
  NodeMetrics(StoreNode* node, const ObjectsService* objects, const CallGate* gate)
      : node_(node), objects_(objects), gate_(gate) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  StoreNode* const node_;
  const ObjectsService* const objects_;
  const CallGate* const gate_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_METRICS_H_

#include "kv_store/metrics.h"

#include <map>
#include <string>
#include <utility>

namespace coterie {
namespace {

// More tenants than these are not told apart: series have a bound.
constexpr size_t kTenantsMax = 64;

// One sample: the value of its one label, and what it is.
struct Sample {
  std::string label_value;
  double value;
};

class Families {
 public:
  void Counter(const char* name, const char* help, const char* label,
               const std::vector<Sample>& samples) {
    Add(prometheus::MetricType::Counter, name, help, label, samples);
  }
  void Counter(const char* name, const char* help, uint64_t value) {
    Add(prometheus::MetricType::Counter, name, help, nullptr, {{"", Number(value)}});
  }
  void Gauge(const char* name, const char* help, const char* label,
             const std::vector<Sample>& samples) {
    Add(prometheus::MetricType::Gauge, name, help, label, samples);
  }
  void Gauge(const char* name, const char* help, uint64_t value) {
    Add(prometheus::MetricType::Gauge, name, help, nullptr, {{"", Number(value)}});
  }
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

  static double Number(uint64_t value) { return static_cast<double>(value); }

 private:
  void Add(prometheus::MetricType type, const char* name, const char* help, const char* label,
           const std::vector<Sample>& samples) {
    prometheus::MetricFamily family{name, help, type, {}};
    for (const Sample& sample : samples) {
      prometheus::ClientMetric metric;
      if (label != nullptr) metric.label = {{label, sample.label_value}};
      if (type == prometheus::MetricType::Counter) {
        metric.counter.value = sample.value;
      } else {
        metric.gauge.value = sample.value;
      }
      family.metric.push_back(std::move(metric));
    }
    families_.push_back(std::move(family));
  }

  std::vector<prometheus::MetricFamily> families_;
};

std::vector<Sample> TenantSamples(const std::map<std::string, size_t>& tenants) {
  std::vector<Sample> samples;
  double others = 0;
  for (const auto& [tenant, bytes] : tenants) {
    const double value = Families::Number(bytes);
    if (samples.size() < kTenantsMax) {
      samples.push_back({tenant, value});
    } else {
      others += value;
    }
  }
  if (others > 0 || samples.empty()) samples.push_back({"", others});
  return samples;
}

}  // namespace

std::vector<prometheus::MetricFamily> NodeMetrics::Collect() const {
  const StoreNode::Counts node = node_->counts();
  const MemoryTier& memory = node_->memory();
  const MemoryTier::Counts memory_counts = memory.counts();
  const DiskTier* disk = node_->disk();
  const DiskTier::Counts disk_counts = disk == nullptr ? DiskTier::Counts() : disk->counts();
  const ObjectsService::Counts wire = objects_->counts();
  const auto number = Families::Number;
  Families f;
  f.Counter("kv_store_reads_total", "Objects asked for, by where they were", "from",
            {{"memory", number(node.memory_hits)},
             {"disk", number(node.disk_hits)},
             {"nowhere", number(node.misses)}});
  f.Counter("kv_store_stored_total", "Objects taken in", node.stored);
  f.Counter("kv_store_refused_total", "Objects and calls refused, by reason", "reason",
            {{"damaged", number(node.refused_damaged)},
             {"no_room", number(node.refused_full)},
             {"malformed_or_busy", number(gate_->num_refused())}});
  f.Counter("kv_store_hints_total", "Hints about contexts", node.hints);
  f.Counter("kv_store_sent_bytes_total", "Payload bytes sent to readers", wire.read_bytes);
  f.Counter("kv_store_received_bytes_total", "Payload bytes taken in", wire.written_bytes);
  f.Counter("kv_store_shared_memory_bytes_total",
            "Of those sent and taken in, through shared memory", wire.shared_bytes);
  f.Counter("kv_store_evictions_total", "Objects forgotten for want of room", "tier",
            {{"memory", number(memory_counts.evicted)}, {"disk", number(disk_counts.evicted)}});
  f.Counter("kv_store_evictions_unread_total", "Of those in memory, never read",
            memory_counts.evicted_unused);
  f.Counter("kv_store_evictions_put_off_total", "Objects that would have gone but were being read",
            memory_counts.skipped_readers);
  f.Counter("kv_store_write_behind_dropped_total", "Objects that were not written to disk",
            node.write_behind_dropped);
  f.Counter("kv_store_disk_errors_total", "What a disk did wrong", "kind",
            {{"corrupt", number(disk_counts.corrupt)},
             {"read", number(disk_counts.read_errors)},
             {"write", number(disk_counts.write_errors)},
             {"torn_or_damaged_at_start", number(disk_counts.recovered_gaps)},
             {"refused_at_start", number(disk_counts.refused_segments)}});
  f.Counter("kv_store_memory_damaged_total",
            "Objects in memory that did not fit their checksum any more", node.memory_damaged);
  f.Counter("kv_store_disk_written_bytes_total", "Payload bytes written to disk, copies included",
            disk_counts.appended_bytes);
  f.Counter("kv_store_disk_compacted_bytes_total", "Of those, copied to free a segment",
            disk_counts.compacted_bytes);
  f.Gauge("kv_store_recovered_objects", "Objects found on disk at start", disk_counts.recovered);
  f.Gauge("kv_store_objects", "Objects held", "tier",
          {{"memory", number(memory.num_objects())},
           {"disk", number(disk == nullptr ? 0 : disk->num_objects())}});
  f.Gauge("kv_store_bytes", "Bytes in use: memory with readers', files on disk", "tier",
          {{"memory", number(memory.used_bytes())},
           {"disk", number(disk == nullptr ? 0 : disk->file_bytes())}});
  f.Gauge("kv_store_capacity_bytes", "Bytes there may be", "tier",
          {{"memory", number(memory.options().capacity_bytes)},
           {"disk", number(disk == nullptr ? 0 : disk->options().capacity_bytes)}});
  f.Gauge("kv_store_tenant_bytes", "Bytes in memory by tenant", "tenant",
          TenantSamples(memory.tenant_bytes()));
  f.Gauge("kv_store_write_queue_bytes", "Bytes that wait for the disk", node_->write_queue_bytes());
  f.Gauge("kv_store_journals", "Requests' journals held", node_->journals().size());
  f.Gauge("kv_store_calls", "Calls in hand", static_cast<uint64_t>(gate_->num_calls()));
  f.Gauge("kv_store_windows", "Routers that share memory with this node",
          objects_->windows() == nullptr ? 0 : objects_->windows()->size());
  f.Gauge("kv_store_sealed", "1 when no more objects are taken", objects_->sealed() ? 1 : 0);
  return f.Take();
}

}  // namespace coterie

// DiskTier: objects in a folder, as segments (segment.h) to which records are appended. The index
// is in memory and is made again from the records' headers at start. A payload is checked against
// its checksum whenever it is read; one that does not fit is forgotten, counted, and a miss.
//
// Room: when a new segment would not fit, objects are forgotten, as an EvictionPolicy says, until a
// quarter of the capacity is free; then the segments with the fewest live bytes are copied together
// and removed. On a full disk the write fails, and the segment with the fewest live bytes goes, at
// most one in kFullPause. Nothing is synced: what a power cut tears is found by its checksum.
//
// Thread-safe. Append is for one thread at a time, the disk writer's; Read blocks for the disk.
#ifndef COTERIE_KV_STORE_DISK_TIER_H_
#define COTERIE_KV_STORE_DISK_TIER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/eviction_policy.h"
#include "kv_store/file_store.h"
#include "kv_store/hint.h"
#include "kv_store/object.h"
#include "kv_store/segment.h"

namespace coterie {

class DiskTier {
 public:
  struct Options {
    uint64_t capacity_bytes = uint64_t{16} << 30;  // of files; at least kSegmentsMin segments
    uint64_t segment_bytes = uint64_t{256} << 20;
  };
  struct Counts {
    uint64_t recovered = 0;         // objects found at start
    uint64_t recovered_gaps = 0;    // damaged or torn places found then
    uint64_t refused_segments = 0;  // files that are no segments of ours, or damaged at the front
    uint64_t corrupt = 0;           // payloads that did not fit their checksum
    uint64_t read_errors = 0;
    uint64_t write_errors = 0;
    uint64_t evicted = 0;
    uint64_t compacted_bytes = 0;  // copied to free a segment
    uint64_t appended_bytes = 0;
  };
  struct Loaded {
    ObjectName name;
    std::shared_ptr<const std::string> payload;
    uint64_t checksum = 0;
  };

  static constexpr uint64_t kSegmentsMin = 4;
  static constexpr absl::Duration kFullPause = absl::Seconds(10);

  // Reads the headers of all records in `folder`. InvalidArgument for options that cannot be.
  static absl::StatusOr<std::unique_ptr<DiskTier>> Open(Options options,
                                                        std::unique_ptr<FileStore> folder,
                                                        absl::Time now);

  // OK too when it is here already. ResourceExhausted: the disk is full, or the object larger than
  // a segment. Otherwise what the folder says.
  absl::Status Append(const ObjectName& name, std::span<const char> payload, uint64_t checksum,
                      absl::Time now);

  bool Holds(const ObjectKey& key) const;
  // Its name and size, if it is here.
  std::optional<RecordHeader> Describe(const ObjectKey& key) const;
  // NotFound: not here. DataLoss: it was damaged, and is forgotten. Unavailable: the disk.
  absl::StatusOr<Loaded> Read(const ObjectKey& key);
  void Touch(std::span<const ObjectKey> keys, absl::Time now);
  void Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now);
  bool Remove(const ObjectKey& key);
  void ForEach(const std::function<void(const ObjectName&, uint64_t payload_bytes)>& each) const;

  size_t num_objects() const;
  uint64_t live_bytes() const;  // of records that are in the index
  uint64_t file_bytes() const;
  Counts counts() const;
  const Options& options() const { return options_; }

 private:
  struct Segment {
    std::string file_name;
    std::shared_ptr<StoredFile> file;
    SegmentHeader header;
    uint64_t size = 0, live_bytes = 0;
  };
  struct Place {
    std::shared_ptr<Segment> segment;
    uint64_t offset = 0;  // of the payload
    uint64_t payload_bytes = 0, checksum = 0;
    ObjectName name;
  };
  using Segments = std::map<uint64_t, std::shared_ptr<Segment>>;  // by sequence

  DiskTier(Options options, std::unique_ptr<FileStore> folder);

  absl::Status Recover(absl::Time now);
  absl::Status RecoverSegment(const std::string& file_name, absl::Time now);
  absl::Status StartSegment();
  absl::Status MakeRoom(absl::Time now);
  absl::Status Compact(const std::shared_ptr<Segment>& segment, absl::Time now);
  absl::Status WriteRecord(const RecordHeader& record, std::span<const char> payload,
                           absl::Time now);
  absl::StatusOr<Loaded> ReadPlace(const Place& place);
  void DropSegment(const std::shared_ptr<Segment>& segment);
  std::shared_ptr<Segment> LeastLive() const;
  uint64_t FileBytes() const;
  // These require mu_.
  void Insert(Place place, absl::Time now);
  void Forget(const ObjectKey& key);

  const Options options_;
  const std::unique_ptr<FileStore> folder_;

  std::mutex write_mu_;  // guards what follows; taken before mu_
  std::shared_ptr<Segment> active_;
  uint64_t next_sequence_ = 1;
  absl::Time dropped_for_full_ = absl::InfinitePast();

  mutable std::mutex mu_;  // guards what follows, and the live_bytes and size of segments
  Segments segments_;      // changed under write_mu_ too
  absl::flat_hash_map<ObjectKey, Place> places_;
  EvictionPolicy policy_;
  uint64_t live_bytes_ = 0;
  Counts counts_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_DISK_TIER_H_

// StoreNode: what one kv_store holds: objects in memory and, behind them, on disk; and journals, in
// memory only. Objects that are committed are written behind; those that are read from disk come
// back to memory.
//
// Thread-safe. Read may block for the disk, nothing else does. No clock of its own.
#ifndef COTERIE_KV_STORE_STORE_NODE_H_
#define COTERIE_KV_STORE_STORE_NODE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/disk_tier.h"
#include "kv_store/disk_writer.h"
#include "kv_store/file_store.h"
#include "kv_store/hint.h"
#include "kv_store/journal_table.h"
#include "kv_store/memory_tier.h"
#include "kv_store/object.h"
#include "kv_store/payload.h"

namespace coterie {

class StoreNode {
 public:
  struct Options {
    MemoryTier::Options memory;
    DiskTier::Options disk;
    size_t journal_bytes = size_t{64} << 20;
    size_t write_queue_bytes = size_t{256} << 20;  // what waits for the disk; held in memory too
  };
  struct Counts {
    uint64_t stored = 0, refused_damaged = 0, refused_full = 0;
    uint64_t memory_hits = 0, disk_hits = 0, misses = 0;
    uint64_t write_behind_dropped = 0;
    uint64_t memory_damaged = 0;  // found by Verify
    uint64_t hints = 0;
  };
  struct Listed {
    ObjectName name;
    uint64_t payload_bytes = 0;
    bool in_memory = false, on_disk = false;
  };
  struct Verified {
    uint64_t num_sound = 0, num_damaged = 0;
  };

  // folder: null for a node without a disk. Errors of DiskTier::Open.
  static absl::StatusOr<std::unique_ptr<StoreNode>> Create(Options options,
                                                           std::unique_ptr<FileStore> folder,
                                                           absl::Time now);

  // Which can be read. Counts as a use of those.
  std::vector<bool> Find(std::span<const ObjectKey> keys, absl::Time now);
  // Null: a miss. The object stays whole while the reference is held.
  ObjectRef Read(const ObjectKey& key, absl::Time now);

  // As MemoryTier: reserve, gather, commit. AlreadyExists also for what is on disk.
  absl::StatusOr<Reservation> Reserve(ObjectName name, size_t size, absl::Time now);
  absl::Status Commit(Reservation reservation, Payload payload, uint64_t checksum, absl::Time now);

  // keys: a context, from its beginning to its end, as far as this node may hold it.
  void Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now);
  // From all tiers; false when it was in none.
  bool Remove(const ObjectKey& key);

  // Every object, in no order; false from `each` ends it.
  void List(const std::function<bool(const Listed&)>& each) const;
  // Reads every object of the disk and compares checksums, and those in memory too; damaged ones
  // are forgotten, in the tier where they are. Stops at the deadline.
  Verified Verify(absl::Time deadline);
  // These alone.
  Verified Verify(std::span<const ObjectKey> keys, absl::Time deadline);
  // Waits until all that is committed is on disk; false at the deadline. True without a disk.
  bool Flush(absl::Time deadline);

  JournalTable& journals() { return journals_; }
  const MemoryTier& memory() const { return memory_; }
  const DiskTier* disk() const { return disk_.get(); }
  size_t write_queue_bytes() const;
  Counts counts() const;

 private:
  explicit StoreNode(const Options& options);

  void WriteBehind(const HeldObject& object);
  ObjectRef Promote(const ObjectKey& key, absl::Time now);
  void VerifyInMemory(const HeldObject& object, Verified* verified);
  void VerifyOnDisk(const ObjectKey& key, Verified* verified);

  MemoryTier memory_;
  JournalTable journals_;
  std::unique_ptr<DiskTier> disk_;  // null: none
  struct {
    std::atomic<uint64_t> stored{0}, refused_damaged{0}, refused_full{0}, memory_hits{0},
        disk_hits{0}, misses{0}, write_behind_dropped{0}, memory_damaged{0}, hints{0};
  } counts_;
  std::unique_ptr<DiskWriter> writer_;  // last: its thread uses the above
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_STORE_NODE_H_

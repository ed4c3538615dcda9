// MemoryTier: objects in memory, within a budget. An object comes in three steps: Reserve takes
// the room (and may forget others for it), the writer gathers the payload, Commit makes it visible,
// if its checksum fits, to everybody at once. Before that nobody sees it, afterwards nobody can
// change it. A reservation that is dropped gives its memory back. The first to commit a key wins.
//
// A reader holds an ObjectRef. What it holds stays whole until it lets go, even if the tier has
// forgotten it since: no clock takes memory from a reader. Until then the bytes count against the
// budget, so the budget is one of real memory; what is being read is not chosen to go.
//
// A tenant that has used up `tenant_bytes_max` makes room among its own objects.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_MEMORY_TIER_H_
#define COTERIE_KV_STORE_MEMORY_TIER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/eviction_policy.h"
#include "kv_store/hint.h"
#include "kv_store/object.h"
#include "kv_store/payload.h"

namespace coterie {

// Memory that is taken, until this goes. The counter is shared: a reader may outlive the tier.
class MemoryShare {
 public:
  MemoryShare() = default;
  MemoryShare(std::shared_ptr<std::atomic<size_t>> used_bytes, size_t size)
      : used_bytes_(std::move(used_bytes)), size_(size) {
    *used_bytes_ += size_;
  }
  MemoryShare(MemoryShare&& other) noexcept = default;
  MemoryShare& operator=(MemoryShare&& other) = delete;
  ~MemoryShare() {
    if (used_bytes_ != nullptr) *used_bytes_ -= size_;
  }

 private:
  std::shared_ptr<std::atomic<size_t>> used_bytes_;  // null: moved from
  size_t size_ = 0;
};

class HeldObject {
 public:
  const ObjectName& name() const { return name_; }
  const ObjectKey& key() const { return name_.key; }
  const std::string& payload() const { return *payload_; }
  uint64_t checksum() const { return checksum_; }

 private:
  friend class MemoryTier;
  HeldObject(ObjectName name, MemoryShare share, std::shared_ptr<const std::string> payload,
             uint64_t checksum)
      : name_(std::move(name)),
        share_(std::move(share)),
        payload_(std::move(payload)),
        checksum_(checksum) {}

  const ObjectName name_;
  const MemoryShare share_;
  const std::shared_ptr<const std::string> payload_;
  const uint64_t checksum_;
};
using ObjectRef = std::shared_ptr<const HeldObject>;

// Room for an object that is being written. Owned by its writer; dropped without Commit, it was
// never there.
class Reservation {
 public:
  const ObjectName& name() const { return name_; }
  size_t size() const { return size_; }

 private:
  friend class MemoryTier;
  Reservation(ObjectName name, MemoryShare share, size_t size)
      : name_(std::move(name)), share_(std::move(share)), size_(size) {}

  ObjectName name_;
  MemoryShare share_;
  size_t size_;
};

class MemoryTier {
 public:
  struct Options {
    size_t capacity_bytes = size_t{1} << 30;
    size_t tenant_bytes_max = SIZE_MAX;
  };
  struct Counts {
    uint64_t evicted = 0;          // forgotten for want of memory
    uint64_t evicted_unused = 0;   // of those, never read
    uint64_t skipped_readers = 0;  // would have gone, but were being read
  };

  explicit MemoryTier(Options options) : options_(options) {}

  // AlreadyExists; ResourceExhausted when there is no room and nothing to forget; InvalidArgument
  // when `size` is beyond kObjectBytesMax or the tenant's name too long.
  absl::StatusOr<Reservation> Reserve(ObjectName name, size_t size, absl::Time now);
  // The object, from now on visible. DataLoss when size or checksum do not fit what was written,
  // AlreadyExists when somebody else was first. In both cases the room is free again.
  // checksum: as the writer has sent it.
  absl::StatusOr<ObjectRef> Commit(Reservation reservation, Payload payload, uint64_t checksum,
                                   absl::Time now);

  // Null: not here. Counts as a use.
  ObjectRef Acquire(const ObjectKey& key, absl::Time now);
  // As Acquire, but not a use.
  ObjectRef Look(const ObjectKey& key) const;
  bool Holds(const ObjectKey& key) const;
  // A use of each that is here; from the end of a context to its beginning.
  void Touch(std::span<const ObjectKey> keys, absl::Time now);
  // keys: of one context, and so of one tenant.
  void Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now);
  // False when it was not here. A reader of it is not disturbed.
  bool Remove(const ObjectKey& key);

  // Calls `each` with every object that is here at the start and still when its turn comes, in no
  // order.
  void ForEach(const std::function<void(const ObjectRef&)>& each) const;

  // Real memory: of visible objects, of reservations and of what readers still hold.
  size_t used_bytes() const { return *used_bytes_; }
  size_t num_objects() const;
  std::map<std::string, size_t> tenant_bytes() const;
  Counts counts() const;
  const Options& options() const { return options_; }

 private:
  struct Slot {
    ObjectRef object;
    bool was_read = false;
  };
  struct Tenant {
    EvictionPolicy policy;
    size_t bytes = 0;  // visible
  };

  // These require mu_.
  absl::Status MakeRoom(const std::string& tenant, size_t size, absl::Time now);
  // The object that goes; null when there is none. only: of this tenant; null: of any.
  ObjectRef ForgetOne(Tenant* only, absl::Time now);
  ObjectRef Drop(const ObjectKey& key);

  const Options options_;
  const std::shared_ptr<std::atomic<size_t>> used_bytes_ = std::make_shared<std::atomic<size_t>>(0);

  mutable std::mutex mu_;  // guards what follows
  absl::flat_hash_map<ObjectKey, Slot> objects_;
  std::map<std::string, Tenant> tenants_;
  Counts counts_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_MEMORY_TIER_H_

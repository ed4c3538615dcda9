#include "kv_store/store_node.h"

#include <utility>

#include "kernels/status_macros.h"
#include "kv_store/segment.h"
#include "ops/process/clock.h"
#include "ops/process/log.h"

namespace coterie {

StoreNode::StoreNode(const Options& options)
    : memory_(options.memory), journals_(options.journal_bytes) {}

absl::StatusOr<std::unique_ptr<StoreNode>> StoreNode::Create(Options options,
                                                             std::unique_ptr<FileStore> folder,
                                                             absl::Time now) {
  std::unique_ptr<StoreNode> node(new StoreNode(options));
  if (folder != nullptr) {
    ASSIGN_OR_RETURN(node->disk_, DiskTier::Open(options.disk, std::move(folder), now));
    node->writer_ = std::make_unique<DiskWriter>(
        options.write_queue_bytes,
        [node = node.get()](const HeldObject& object) { node->WriteBehind(object); });
  }
  return node;
}

void StoreNode::WriteBehind(const HeldObject& object) {
  const absl::Status status =
      disk_->Append(object.name(), object.payload(), object.checksum(), MonotonicNow());
  if (status.ok()) return;
  ++counts_.write_behind_dropped;
  LogDebug("object not on disk", {{"object", object.key().Text()}, {"reason", status.message()}});
}

std::vector<bool> StoreNode::Find(std::span<const ObjectKey> keys, absl::Time now) {
  std::vector<bool> present(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    present[i] = memory_.Holds(keys[i]) || (disk_ != nullptr && disk_->Holds(keys[i]));
  }
  memory_.Touch(keys, now);
  if (disk_ != nullptr) disk_->Touch(keys, now);
  return present;
}

ObjectRef StoreNode::Read(const ObjectKey& key, absl::Time now) {
  if (ObjectRef object = memory_.Acquire(key, now); object != nullptr) {
    ++counts_.memory_hits;
    return object;
  }
  if (ObjectRef object = Promote(key, now); object != nullptr) {
    ++counts_.disk_hits;
    return object;
  }
  ++counts_.misses;
  return nullptr;
}

ObjectRef StoreNode::Promote(const ObjectKey& key, absl::Time now) {
  if (disk_ == nullptr) return nullptr;
  std::optional<RecordHeader> record = disk_->Describe(key);
  if (!record) return nullptr;
  // The room first: what is being read counts against the budget, wherever it comes from.
  absl::StatusOr<Reservation> reservation =
      memory_.Reserve(std::move(record->name), record->payload_bytes, now);
  if (absl::IsAlreadyExists(reservation.status())) return memory_.Acquire(key, now);
  if (!reservation.ok()) return nullptr;
  absl::StatusOr<DiskTier::Loaded> loaded = disk_->Read(key);
  if (!loaded.ok()) return nullptr;
  absl::StatusOr<ObjectRef> object =
      memory_.Commit(*std::move(reservation), {std::move(loaded->payload), loaded->checksum},
                     loaded->checksum, now);
  if (!object.ok()) return memory_.Acquire(key, now);
  const ObjectKey keys[] = {key};
  disk_->Touch(keys, now);
  return *std::move(object);
}

absl::StatusOr<Reservation> StoreNode::Reserve(ObjectName name, size_t size, absl::Time now) {
  if (disk_ != nullptr && disk_->Holds(name.key)) return absl::AlreadyExistsError(name.key.Text());
  absl::StatusOr<Reservation> reservation = memory_.Reserve(std::move(name), size, now);
  if (absl::IsResourceExhausted(reservation.status())) ++counts_.refused_full;
  return reservation;
}

absl::Status StoreNode::Commit(Reservation reservation, Payload payload, uint64_t checksum,
                               absl::Time now) {
  absl::StatusOr<ObjectRef> object =
      memory_.Commit(std::move(reservation), std::move(payload), checksum, now);
  if (absl::IsDataLoss(object.status())) ++counts_.refused_damaged;
  if (!object.ok()) return object.status();
  ++counts_.stored;
  if (writer_ != nullptr && !writer_->Offer(*std::move(object))) ++counts_.write_behind_dropped;
  return absl::OkStatus();
}

void StoreNode::Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now) {
  memory_.Hint(keys, hint, now);
  if (disk_ != nullptr) disk_->Hint(keys, hint, now);
  ++counts_.hints;
}

bool StoreNode::Remove(const ObjectKey& key) {
  const bool in_memory = memory_.Remove(key);
  const bool on_disk = disk_ != nullptr && disk_->Remove(key);
  return in_memory || on_disk;
}

void StoreNode::List(const std::function<bool(const Listed&)>& each) const {
  bool go_on = true;
  memory_.ForEach([&](const ObjectRef& object) {
    const bool on_disk = disk_ != nullptr && disk_->Holds(object->key());
    if (go_on) go_on = each({object->name(), object->payload().size(), true, on_disk});
  });
  if (disk_ == nullptr) return;
  disk_->ForEach([&](const ObjectName& name, uint64_t payload_bytes) {
    if (go_on && !memory_.Holds(name.key)) go_on = each({name, payload_bytes, false, true});
  });
}

StoreNode::Verified StoreNode::Verify(absl::Time deadline) {
  Verified verified;
  memory_.ForEach([&](const ObjectRef& object) {
    if (MonotonicNow() <= deadline) VerifyInMemory(*object, &verified);
  });
  if (disk_ == nullptr) return verified;
  std::vector<ObjectKey> keys;
  disk_->ForEach([&](const ObjectName& name, uint64_t) { keys.push_back(name.key); });
  for (const ObjectKey& key : keys) {
    if (MonotonicNow() > deadline) break;
    VerifyOnDisk(key, &verified);
  }
  return verified;
}

StoreNode::Verified StoreNode::Verify(std::span<const ObjectKey> keys, absl::Time deadline) {
  Verified verified;
  for (const ObjectKey& key : keys) {
    if (MonotonicNow() > deadline) break;
    if (const ObjectRef object = memory_.Look(key); object != nullptr)
      VerifyInMemory(*object, &verified);
    if (disk_ != nullptr) VerifyOnDisk(key, &verified);
  }
  return verified;
}

void StoreNode::VerifyInMemory(const HeldObject& object, Verified* verified) {
  if (ObjectChecksum(object.key(), object.payload()) == object.checksum()) {
    ++verified->num_sound;
    return;
  }
  ++verified->num_damaged;
  ++counts_.memory_damaged;
  memory_.Remove(object.key());
  LogWarning("object lost", {{"object", object.key().Text()},
                             {"reason", "in memory it does not fit its checksum any more"}});
}

void StoreNode::VerifyOnDisk(const ObjectKey& key, Verified* verified) {
  const absl::Status status = disk_->Read(key).status();
  if (status.ok()) ++verified->num_sound;
  if (absl::IsDataLoss(status) || absl::IsUnavailable(status)) ++verified->num_damaged;
}

bool StoreNode::Flush(absl::Time deadline) {
  return writer_ == nullptr || writer_->Flush(deadline);
}

size_t StoreNode::write_queue_bytes() const {
  return writer_ == nullptr ? 0 : writer_->queue_bytes();
}

StoreNode::Counts StoreNode::counts() const {
  return {.stored = counts_.stored,
          .refused_damaged = counts_.refused_damaged,
          .refused_full = counts_.refused_full,
          .memory_hits = counts_.memory_hits,
          .disk_hits = counts_.disk_hits,
          .misses = counts_.misses,
          .write_behind_dropped = counts_.write_behind_dropped,
          .memory_damaged = counts_.memory_damaged,
          .hints = counts_.hints};
}

}  // namespace coterie

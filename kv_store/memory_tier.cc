#include "kv_store/memory_tier.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

// Objects in a row that would go but are being read, before a writer is refused: readers hold few
// objects each, so this many means that memory is small and readers are many.
constexpr int kReadersSkippedMax = 256;

}  // namespace

// Invariants, guarded by mu_. An object is in objects_ and in its tenant's policy, or in neither.
// objects_ holds one reference to it; any other is a reader's or the disk writer's. References are
// taken under mu_, so a count of one cannot grow while it is held.
absl::StatusOr<Reservation> MemoryTier::Reserve(ObjectName name, size_t size, absl::Time now) {
  if (size > kObjectBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("object ", name.key.Text(), ": ", size,
                                                   " bytes, ", kObjectBytesMax, " are allowed"));
  }
  if (name.tenant.size() > kTenantBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("tenant: ", name.tenant.size(), " characters, ",
                                                   kTenantBytesMax, " are allowed"));
  }
  std::lock_guard<std::mutex> lock(mu_);
  if (objects_.contains(name.key)) return absl::AlreadyExistsError(name.key.Text());
  RETURN_IF_ERROR(MakeRoom(name.tenant, size, now));
  return Reservation(std::move(name), MemoryShare(used_bytes_, size), size);
}

absl::Status MemoryTier::MakeRoom(const std::string& tenant, size_t size, absl::Time now) {
  const size_t tenant_max = std::min(options_.tenant_bytes_max, options_.capacity_bytes);
  if (size > tenant_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("an object of ", size, " bytes, this node has room for ", tenant_max));
  }
  for (;;) {
    const auto it = tenants_.find(tenant);
    if (it == tenants_.end() || it->second.bytes + size <= tenant_max) break;
    if (ForgetOne(&it->second, now) == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("tenant ", tenant, ": ", it->second.bytes,
                                                       " bytes of ", tenant_max,
                                                       " are being read; try later"));
    }
  }
  while (*used_bytes_ + size > options_.capacity_bytes) {
    if (ForgetOne(nullptr, now) == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("memory: ", used_bytes(), " of ", options_.capacity_bytes,
                       " bytes are being written or read; try later"));
    }
  }
  return absl::OkStatus();
}

ObjectRef MemoryTier::ForgetOne(Tenant* only, absl::Time now) {
  for (int skipped = 0; skipped < kReadersSkippedMax; ++skipped) {
    std::optional<EvictionPolicy::Victim> victim;
    if (only != nullptr) {
      victim = only->policy.Next(now);
    } else {
      for (const auto& [_, tenant] : tenants_) {
        const auto next = tenant.policy.Next(now);
        if (next && (!victim || next->distance > victim->distance)) victim = next;
      }
    }
    if (!victim) return nullptr;
    const Slot& slot = objects_.at(victim->key);
    if (slot.object.use_count() == 1) {
      ++counts_.evicted;
      if (!slot.was_read) ++counts_.evicted_unused;
      return Drop(victim->key);
    }
    ++counts_.skipped_readers;
    tenants_.at(slot.object->name().tenant).policy.Touch(victim->key, now);  // it is being used
  }
  return nullptr;
}

ObjectRef MemoryTier::Drop(const ObjectKey& key) {
  const auto it = objects_.find(key);
  ObjectRef object = std::move(it->second.object);
  objects_.erase(it);
  const auto tenant = tenants_.find(object->name().tenant);
  tenant->second.policy.Remove(key);
  tenant->second.bytes -= object->payload().size();
  if (tenant->second.policy.size() == 0) tenants_.erase(tenant);
  return object;
}

absl::StatusOr<ObjectRef> MemoryTier::Commit(Reservation reservation, Payload payload,
                                             uint64_t checksum, absl::Time now) {
  const ObjectKey& key = reservation.name_.key;
  if (payload.bytes->size() != reservation.size_) {
    return absl::DataLossError(absl::StrCat("object ", key.Text(), ": ", payload.bytes->size(),
                                            " bytes of ", reservation.size_, " came"));
  }
  if (payload.checksum != checksum) {
    return absl::DataLossError(absl::StrCat("object ", key.Text(), ": its checksum does not fit"));
  }
  const ObjectRef object(new HeldObject(std::move(reservation.name_), std::move(reservation.share_),
                                        std::move(payload.bytes), checksum));
  std::lock_guard<std::mutex> lock(mu_);
  if (!objects_.emplace(object->key(), Slot{.object = object}).second)
    return absl::AlreadyExistsError(object->key().Text());
  Tenant& tenant = tenants_[object->name().tenant];
  tenant.bytes += object->payload().size();
  tenant.policy.Add(object->key(), object->name().parent, now);
  return object;
}

ObjectRef MemoryTier::Acquire(const ObjectKey& key, absl::Time now) {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = objects_.find(key);
  if (it == objects_.end()) return nullptr;
  it->second.was_read = true;
  tenants_.at(it->second.object->name().tenant).policy.Touch(key, now);
  return it->second.object;
}

ObjectRef MemoryTier::Look(const ObjectKey& key) const {
  std::lock_guard<std::mutex> lock(mu_);
  const auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : it->second.object;
}

bool MemoryTier::Holds(const ObjectKey& key) const {
  std::lock_guard<std::mutex> lock(mu_);
  return objects_.contains(key);
}

void MemoryTier::Touch(std::span<const ObjectKey> keys, absl::Time now) {
  std::lock_guard<std::mutex> lock(mu_);
  for (size_t i = keys.size(); i-- > 0;) {
    const auto it = objects_.find(keys[i]);
    if (it != objects_.end())
      tenants_.at(it->second.object->name().tenant).policy.Touch(keys[i], now);
  }
}

void MemoryTier::Hint(std::span<const ObjectKey> keys, StoreHint hint, absl::Time now) {
  std::lock_guard<std::mutex> lock(mu_);
  for (size_t i = keys.size(); i-- > 0;) {
    const auto it = objects_.find(keys[i]);
    if (it == objects_.end()) continue;
    tenants_.at(it->second.object->name().tenant).policy.Hint(keys.first(i + 1), hint, now);
    return;
  }
}

bool MemoryTier::Remove(const ObjectKey& key) {
  ObjectRef object;  // let go of without the lock
  std::lock_guard<std::mutex> lock(mu_);
  if (!objects_.contains(key)) return false;
  object = Drop(key);
  return true;
}

void MemoryTier::ForEach(const std::function<void(const ObjectRef&)>& each) const {
  std::vector<ObjectKey> keys;
  {
    std::lock_guard<std::mutex> lock(mu_);
    keys.reserve(objects_.size());
    for (const auto& [key, _] : objects_) keys.push_back(key);
  }
  for (const ObjectKey& key : keys) {
    if (const ObjectRef object = Look(key); object != nullptr) each(object);
  }
}

size_t MemoryTier::num_objects() const {
  std::lock_guard<std::mutex> lock(mu_);
  return objects_.size();
}

std::map<std::string, size_t> MemoryTier::tenant_bytes() const {
  std::lock_guard<std::mutex> lock(mu_);
  std::map<std::string, size_t> bytes;
  for (const auto& [name, tenant] : tenants_) bytes[name] = tenant.bytes;
  return bytes;
}

MemoryTier::Counts MemoryTier::counts() const {
  std::lock_guard<std::mutex> lock(mu_);
  return counts_;
}

}  // namespace coterie

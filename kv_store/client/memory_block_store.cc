#include "kv_store/client/memory_block_store.h"

#include <atomic>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "kernels/check.h"
#include "kv_store/client/task_thread.h"
#include "kv_store/journal_table.h"
#include "kv_store/memory_tier.h"
#include "kv_store/object.h"
#include "ops/process/clock.h"

namespace coterie {

// The thread takes calls in their order; callers bound how many there are, since each of their
// sequences waits for one.
class MemoryBlockStore::Core {
 public:
  explicit Core(size_t capacity_bytes) : tier_({.capacity_bytes = capacity_bytes}) {}
  ~Core() { closing_ = true; }

  MemoryTier& tier() { return tier_; }
  JournalTable& journals() { return journals_; }

  // What a call does on the store's own thread; `verdict`: OK, or why it is too late.
  using Call = std::function<void(const absl::Status& verdict)>;

  void Post(absl::Time deadline, Call call) {
    thread_.Post([this, deadline, call = std::move(call)] {
      if (closing_) return call(absl::CancelledError("the store is closing"));
      if (MonotonicNow() > deadline)
        return call(absl::DeadlineExceededError("the store was busy until the deadline"));
      call(absl::OkStatus());
    });
  }

 private:
  MemoryTier tier_;
  JournalTable journals_;
  std::atomic<bool> closing_{false};
  TaskThread thread_;  // last: its tasks use the above
};

MemoryBlockStore::MemoryBlockStore(size_t capacity_bytes)
    : core_(std::make_unique<Core>(capacity_bytes)) {}
MemoryBlockStore::~MemoryBlockStore() = default;

void MemoryBlockStore::Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) {
  core_->Post(deadline, [core = core_.get(), keys = std::move(keys),
                         done = std::move(done)](const absl::Status& verdict) {
    if (!verdict.ok()) return done(verdict);
    std::vector<bool> present(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) present[i] = core->tier().Holds(keys[i]);
    core->tier().Touch(keys, MonotonicNow());
    done(std::move(present));
  });
}

void MemoryBlockStore::Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each,
                           GetDone done) {
  core_->Post(deadline, [core = core_.get(), keys = std::move(keys), each = std::move(each),
                         done = std::move(done)](const absl::Status& verdict) {
    for (size_t i = 0; i < keys.size(); ++i) {
      StoredObject object{keys[i], nullptr};
      const ObjectRef held = verdict.ok() ? core->tier().Acquire(keys[i], MonotonicNow()) : nullptr;
      // It holds the object, which holds its memory.
      if (held != nullptr) object.bytes = {held, &held->payload()};
      each(i, std::move(object));
    }
    if (verdict.ok()) core->tier().Touch(keys, MonotonicNow());
    done(verdict);
  });
}

bool MemoryBlockStore::Put(std::vector<StoredObject> objects, PutOptions options) {
  CHECK(options.parents.empty() || options.parents.size() == objects.size());
  for (size_t i = 0; i < objects.size(); ++i) {
    const ObjectKey& key = objects[i].key;
    ObjectName name{key, options.parents.empty() ? key : options.parents[i], options.tenant};
    auto reservation =
        core_->tier().Reserve(std::move(name), objects[i].bytes->size(), MonotonicNow());
    if (!reservation.ok()) continue;  // held already, or too much
    const uint64_t checksum = ObjectChecksum(key, *objects[i].bytes);
    core_->tier()
        .Commit(*std::move(reservation), {std::move(objects[i].bytes), checksum}, checksum,
                MonotonicNow())
        .status()
        .IgnoreError();
  }
  return true;
}

void MemoryBlockStore::Hint(ObjectKey leaf, StoreHint hint) {
  core_->tier().Hint({&leaf, 1}, hint, MonotonicNow());
}

void MemoryBlockStore::PutJournal(std::string request_id, uint64_t version, std::string bytes,
                                  absl::Duration keep, JournalKept kept) {
  const absl::Time now = MonotonicNow();
  const absl::Status put =
      core_->journals().Put(std::move(request_id), {version, std::move(bytes)}, now + keep, now);
  if (kept) kept(put.ok() || absl::IsFailedPrecondition(put));
}

void MemoryBlockStore::GetJournal(std::string request_id, absl::Time deadline, JournalDone done) {
  core_->Post(deadline, [core = core_.get(), id = std::move(request_id),
                         done = std::move(done)](const absl::Status& verdict) {
    if (!verdict.ok()) return done(verdict);
    done(core->journals().Get(id, MonotonicNow()));
  });
}

size_t MemoryBlockStore::used_bytes() const { return core_->tier().used_bytes(); }
size_t MemoryBlockStore::num_objects() const { return core_->tier().num_objects(); }

}  // namespace coterie

// BlockStore: contexts that outlive routers, as a router sees them. Objects are immutable and named
// by what they hold (block_id.h); to the store they are bytes. It may forget any of them at any
// time, may be slow or gone, and is never wrong: what it hands out was checked against its length
// and checksum, and any doubt is a miss.
//
// Thread-safe; no method waits for the network or a disk. A callback is called exactly once (`each`
// once an object), on a thread of the store's own, at the deadline at the latest; it must be quick,
// and may call the store again. The destructor ends what is under way with Cancelled, and returns
// when no callback is running any more.
//
//   store->Find(keys, deadline, [=](absl::StatusOr<std::vector<bool>> present) { ... });
//   store->Get(keys, deadline, [=](size_t index, StoredObject object) { ... },
//              [=](absl::Status status) { ... });
#ifndef COTERIE_KV_STORE_CLIENT_BLOCK_STORE_H_
#define COTERIE_KV_STORE_CLIENT_BLOCK_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "kv_store/hint.h"
#include "kv_store/journal_table.h"
#include "kv_store/object.h"

namespace coterie {

struct StoredObject {
  ObjectKey key;
  std::shared_ptr<const std::string> bytes;  // the payload; null: a miss
};

class BlockStore {
 public:
  // Keys of one Find or Get, objects of one Put. A payload has kObjectBytesMax at most, a journal
  // kJournalBytesMax.
  static constexpr size_t kKeysMax = coterie::kKeysMax;

  using FindDone = std::function<void(absl::StatusOr<std::vector<bool>>)>;
  using GetEach = std::function<void(size_t index, StoredObject object)>;
  using GetDone = std::function<void(absl::Status)>;
  using JournalKept = std::function<void(bool kept)>;
  using JournalDone = std::function<void(absl::StatusOr<StoredJournal>)>;

  virtual ~BlockStore() = default;

  // Which of `keys` can be read, as far as is known now. Unavailable or DeadlineExceeded: take all
  // as absent. Keys of a context go from its first block to its last.
  virtual void Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) = 0;

  // `each` is called once for every key as its object arrives, mostly in the order asked, with a
  // null payload for a miss; then `done`. Not OK says why objects are missing; those that came are
  // good all the same.
  virtual void Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each,
                   GetDone done) = 0;

  struct PutOptions {
    std::string tenant;              // whose quota it counts against
    std::vector<ObjectKey> parents;  // parents[i] is forgotten after objects[i]; may be empty, and
                                     // a parent equal to its object is none
  };
  // Queued, and written behind. False when the queue is full and nothing was taken: nobody waits
  // for a slow store. What the store has already is not sent. Payloads are not null.
  virtual bool Put(std::vector<StoredObject> objects, PutOptions options) = 0;

  // Waits until what was put before is written or given up; false at the deadline.
  virtual bool Flush(absl::Time) { return true; }

  // When the context that ends at `leaf` is expected back; meant for the chain of its parents too.
  // Best effort.
  virtual void Hint(ObjectKey leaf, StoreHint hint) = 0;

  // A request's journal is small, and changes: the highest version wins, an older one is dropped.
  // Kept for `keep` from now on, unless memory runs out. Best effort: `kept`, which may be null, is
  // told whether one like that or a later one is anywhere. It is called once, maybe at once and
  // under no lock, and is quick.
  virtual void PutJournal(std::string request_id, uint64_t version, std::string bytes,
                          absl::Duration keep, JournalKept kept) = 0;
  // NotFound: no journal of that name, or kept no longer.
  virtual void GetJournal(std::string request_id, absl::Time deadline, JournalDone done) = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_BLOCK_STORE_H_

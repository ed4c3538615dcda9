// MemoryBlockStore: a store within the process, for a router that has no kv_store beside it, and
// for tests: a MemoryTier without a wire.
#ifndef COTERIE_KV_STORE_CLIENT_MEMORY_BLOCK_STORE_H_
#define COTERIE_KV_STORE_CLIENT_MEMORY_BLOCK_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/client/block_store.h"

namespace coterie {

class MemoryBlockStore : public BlockStore {
 public:
  explicit MemoryBlockStore(size_t capacity_bytes);
  ~MemoryBlockStore() override;

  void Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) override;
  void Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each, GetDone done) override;
  bool Put(std::vector<StoredObject> objects, PutOptions options) override;
  void Hint(ObjectKey leaf, StoreHint hint) override;
  void PutJournal(std::string request_id, uint64_t version, std::string bytes, absl::Duration keep,
                  JournalKept kept) override;
  void GetJournal(std::string request_id, absl::Time deadline, JournalDone done) override;

  // Of payloads here and with readers; journals not counted.
  size_t used_bytes() const;
  size_t num_objects() const;

 private:
  class Core;
  const std::unique_ptr<Core> core_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_MEMORY_BLOCK_STORE_H_

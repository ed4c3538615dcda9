// GrpcBlockStore: a BlockStore over some kv_store processes. Objects are spread by rendezvous
// hashing over a list of members; each is written to `copies` of them and read from the first that
// has it. One more than `copies` is asked, so that a member that joins costs no misses: what it
// would hold is still found where it was, and is copied to it by and by.
//
// With all members dead or hung a call fails at once or at its deadline; a member that failed is
// left alone for a while.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_GRPC_BLOCK_STORE_H_
#define COTERIE_KV_STORE_CLIENT_GRPC_BLOCK_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/client/block_store.h"

namespace coterie {

class GrpcBlockStore : public BlockStore {
 public:
  struct Options {
    std::vector<std::string> members;  // host:port or unix:path; the same list for all routers
    size_t copies = 1;
    size_t put_queue_bytes = size_t{256} << 20;  // of each member
    absl::Duration put_timeout = absl::Seconds(10);
  };
  struct Counts {
    uint64_t objects_read = 0, objects_missed = 0;
    uint64_t read_bytes = 0;
    uint64_t damaged = 0;   // payloads that did not fit their checksum: misses
    uint64_t repaired = 0;  // found elsewhere than first looked, and written there
    uint64_t failed_calls = 0;
    uint64_t put_objects = 0, put_present = 0, put_dropped = 0;
    size_t members_usable = 0;
    size_t members_sharing_memory = 0;  // those on this machine, once they have a window
  };

  // InvalidArgument: no members, one named twice, or no copies.
  static absl::StatusOr<std::unique_ptr<GrpcBlockStore>> Create(Options options);
  ~GrpcBlockStore() override;

  void Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) override;
  void Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each, GetDone done) override;
  bool Put(std::vector<StoredObject> objects, PutOptions options) override;
  bool Flush(absl::Time deadline) override;
  void Hint(ObjectKey leaf, StoreHint hint) override;
  void PutJournal(std::string request_id, uint64_t version, std::string bytes, absl::Duration keep,
                  JournalKept kept) override;
  void GetJournal(std::string request_id, absl::Time deadline, JournalDone done) override;

  Counts counts() const;

 private:
  class Core;
  class GetOperation;
  explicit GrpcBlockStore(std::unique_ptr<Core> core);
  const std::unique_ptr<Core> core_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_GRPC_BLOCK_STORE_H_

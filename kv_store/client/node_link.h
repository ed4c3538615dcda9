// NodeLink: a client's end of the link to one kv_store. Calls end exactly once, on gRPC's threads,
// at their deadline at the latest. A node that fails or hangs is left alone for a while, doubling:
// calls to it then fail at once.
//
// Writes wait in a queue with a bound and are sent by a thread of the link's own; what the node has
// already is not sent.
//
// Thread-safe.
#ifndef COTERIE_KV_STORE_CLIENT_NODE_LINK_H_
#define COTERIE_KV_STORE_CLIENT_NODE_LINK_H_

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
#include "kv_store/client/block_store.h"
#include "kv_store/client/put_queue.h"
#include "kv_store/hint.h"
#include "kv_store/journal_table.h"
#include "kv_store/object.h"

namespace coterie {

class NodeLink {
 public:
  struct Options {
    std::string address;  // host:port or unix:path
    size_t put_queue_bytes = size_t{256} << 20;
    absl::Duration put_timeout = absl::Seconds(10);  // of one batch
    absl::Duration rest_first = absl::Milliseconds(100);
    absl::Duration rest_last = absl::Seconds(5);
  };
  struct Counts {
    uint64_t failed_calls = 0;
    uint64_t damaged = 0;      // payloads that did not fit their checksum
    uint64_t put_objects = 0;  // stored by this link's writes
    uint64_t put_present = 0;  // were there already
    uint64_t put_dropped = 0;  // queue full, node gone, refused
  };
  // An object as it came; null: it is not there, or is damaged. index: into the keys asked.
  using Each = std::function<void(size_t index, const ObjectName& name,
                                  std::shared_ptr<const std::string> bytes)>;

  explicit NodeLink(const Options& options);
  ~NodeLink();
  // Ends what is under way with Cancelled, and returns when no callback is running. Calls from now
  // on end at once, on the caller's thread.
  void Close();
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;

  // To be called now and then, say every second: no call then outlives its deadline by much.
  void CancelOverdue();
  // False while the node is left alone.
  bool IsUsable() const;
  // Payloads of calls that begin now go through shared memory, as far as there is room.
  bool SharesMemory() const;

  void Find(const std::vector<ObjectKey>& keys, absl::Time deadline, BlockStore::FindDone done);
  // `each` comes in the order of keys, and not for those after the one at which a call fails.
  void Get(const std::vector<ObjectKey>& keys, absl::Time deadline, Each each,
           BlockStore::GetDone done);
  // False: the queue is full or the node is left alone.
  bool Put(PutObject object);
  void Hint(const std::vector<ObjectKey>& keys, StoreHint hint);
  void PutJournal(const std::string& request_id, uint64_t version, const std::string& bytes,
                  absl::Duration keep, BlockStore::JournalKept kept);
  void GetJournal(const std::string& request_id, absl::Time deadline, BlockStore::JournalDone done);

  // Waits until what was put before has been sent or dropped; false at the deadline.
  bool Flush(absl::Time deadline);

  const std::string& address() const;
  Counts counts() const;

 private:
  class Core;
  const std::unique_ptr<Core> core_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_NODE_LINK_H_

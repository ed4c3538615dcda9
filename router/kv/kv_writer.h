// KvWriter: writes blocks to a store behind the engine's back. The engine lends references to
// blocks, which are full and never change; the writer's thread encodes them and puts them, and the
// engine takes the references back between two steps. Nobody waits: what does not fit into the
// queue is not written.
//
//   if (!writer.Offer(std::move(job))) …            // the queue is full
//   for (const KvWriter::Done& done : writer.Collect()) …
//
// Thread rule: Offer and Collect by the engine's thread, which owns the blocks' pools; the pools
// outlive the writer. An item's references are dropped by Collect, or by the destructor.
#ifndef COTERIE_ROUTER_KV_KV_WRITER_H_
#define COTERIE_ROUTER_KV_KV_WRITER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "kv_store/client/block_store.h"
#include "router/kv/block_pool.h"
#include "router/kv/kv_codec.h"
#include "router/kv/store_marks.h"

namespace coterie {

class KvWriter {
 public:
  struct Options {
    // Of the blocks that wait; they may be kept from being reused that long.
    int64_t queue_bytes = int64_t{512} << 20;
    // How long an item is offered to a store whose own queue is full, before it is dropped.
    absl::Duration patience = absl::Seconds(1);
  };
  struct Item {
    ObjectKey key;
    ObjectKey parent;   // forgotten after this one; equal to `key`: none
    BlockRef block;     // of a global or local object
    std::string bytes;  // of a checkpoint, whose payload needs no block
    std::shared_ptr<StoreMarks> marks;
  };
  // Items in the order in which they are to be written. When one is not taken, those after it are
  // not written either.
  struct Job {
    std::string tenant;
    std::vector<Item> items;
    int64_t num_bytes = 0;  // of its blocks
  };
  struct Done {
    BlockKind kind;
    std::shared_ptr<StoreMarks> marks;
    int64_t num_bytes = 0;  // of the payload
    bool written = false;
  };

  // store, codec: not owned, outlive this.
  KvWriter(BlockStore* store, const KvCodec* codec, Options options);
  ~KvWriter();

  // False, with the job untouched, when the queue is full.
  bool Offer(Job* job);
  // What has been done since the last call.
  std::vector<Done> Collect();
  // Until all that was offered is done; false at the deadline.
  bool Flush(absl::Time deadline);

 private:
  void Run();
  void Write(Job* job);
  bool Put(const Job& job, Item* item, int64_t* num_bytes);

  BlockStore* const store_;
  const KvCodec* const codec_;
  const Options options_;
  bool refused_ = false;  // by the store, the last time; the writer's thread's own

  std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Job> queue_;
  std::vector<Job> finished_;  // with their references
  std::vector<Done> done_;
  int64_t queued_bytes_ = 0;  // of jobs that wait or are being written
  bool writing_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_KV_WRITER_H_

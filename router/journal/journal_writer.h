// JournalWriter: the thread that puts the journals of requests into a store, those that have
// changed, at most so often.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_JOURNAL_JOURNAL_WRITER_H_
#define COTERIE_ROUTER_JOURNAL_JOURNAL_WRITER_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "router/journal/journal_metrics.h"

namespace coterie {

class RequestLog;

class JournalWriter {
 public:
  // store, metrics: not owned, outlive Stop.
  JournalWriter(BlockStore* store, absl::Duration interval, absl::Duration keep,
                JournalMetrics* metrics);
  ~JournalWriter() { Stop(); }

  // `log` has changed. Soon: it does not wait for the interval.
  void Post(std::shared_ptr<RequestLog> log, bool soon);
  // Writes what was posted; nothing is written afterwards.
  void Stop();

 private:
  void Run();

  BlockStore* const store_;
  const absl::Duration interval_, keep_;
  JournalMetrics* const metrics_;

  std::mutex mu_;  // guards what follows
  std::condition_variable posted_;
  std::vector<std::shared_ptr<RequestLog>> logs_;
  bool soon_ = false, stopping_ = false;

  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_JOURNAL_JOURNAL_WRITER_H_

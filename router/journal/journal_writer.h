// JournalWriter: the thread that puts the journals of requests into a store, those that have
// changed, at most so often. RequestLog: one request's journals as they grow.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_JOURNAL_JOURNAL_WRITER_H_
#define COTERIE_ROUTER_JOURNAL_JOURNAL_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "proto/journal.pb.h"
#include "router/engine/token_log.h"
#include "router/journal/journal_metrics.h"
#include "router/journal/journal_name.h"

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

class RequestLog final : public TokenLog, public std::enable_shared_from_this<RequestLog> {
 public:
  // `tokens` has one for each choice; `version`: of journals that are there, which this supersedes.
  // A journal whose max_tokens is set has been written before.
  RequestLog(std::weak_ptr<JournalWriter> writer, JournalNames names, v1::RequestJournal journal,
             v1::TokenJournal tokens, uint64_t version)
      : writer_(std::move(writer)),
        names_(std::move(names)),
        version_(version),
        journal_(std::move(journal)),
        tokens_(std::move(tokens)) {}

  void Accepted(int64_t max_tokens) override;
  void Append(size_t choice, int32_t token) override;

  // By the writer alone: puts what has changed.
  void Write(BlockStore* store, absl::Duration keep, JournalMetrics* metrics);

 private:
  const std::weak_ptr<JournalWriter> writer_;
  const JournalNames names_;
  uint64_t version_;                               // the writer's own
  absl::Time request_put_ = absl::InfinitePast();  // the writer's own
  bool is_too_large_ = false;                      // the writer's own
  v1::RequestJournal journal_;                     // complete once it was posted

  std::mutex mu_;  // guards what follows
  v1::TokenJournal tokens_;
  int64_t num_tokens_ = 0, num_unwritten_ = 0;
  bool posted_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_JOURNAL_JOURNAL_WRITER_H_

// RequestLog: one request's journals as they grow. The engine tells it the tokens, JournalWriter
// writes it.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_JOURNAL_REQUEST_LOG_H_
#define COTERIE_ROUTER_JOURNAL_REQUEST_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "proto/journal.pb.h"
#include "router/engine/token_log.h"
#include "router/journal/journal_metrics.h"
#include "router/journal/journal_name.h"
#include "router/journal/journal_writer.h"

namespace coterie {

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
        tokens_(std::move(tokens)) {
    for (const v1::TokenIds& choice : tokens_.choices()) num_tokens_ += choice.ids_size();
  }

  void Accepted(int64_t max_tokens) override;
  void Append(size_t choice, int32_t token) override;

  // By the writer alone: puts what has changed.
  void Write(BlockStore* store, absl::Duration keep, JournalMetrics* metrics);

 private:
  const std::weak_ptr<JournalWriter> writer_;
  const JournalNames names_;
  uint64_t version_;                               // the writer's own
  absl::Time request_put_ = absl::InfinitePast();  // the writer's own
  absl::Duration again_;                           // the writer's own: pause after a refusal
  std::atomic<bool> request_lost_{false};          // no node has taken it
  bool is_too_large_ = false;                      // the writer's own
  v1::RequestJournal journal_;                     // complete once it was posted

  std::mutex mu_;  // guards what follows
  v1::TokenJournal tokens_;
  int64_t num_tokens_ = 0, num_unwritten_ = 0;
  bool posted_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_JOURNAL_REQUEST_LOG_H_

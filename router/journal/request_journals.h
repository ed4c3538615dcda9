// RequestJournals: what it takes to go on with a request elsewhere, kept in the store while the
// request is under way: itself, its seed, and its tokens so far. Tokens depend on these alone
// (docs/architecture.md), so a journal that lags behind costs time and changes nothing: what it
// lacks is drawn again, the same.
//
//   options.log = journals.Open(tenant, request, num_choices);     // and the engine tells it
//   …another router:
//   journals.Find(tenant, id, deadline, [](absl::StatusOr<FoundJournal> found) { … });
//
// Never in the way: a thread of its own writes. What the store does not take is written again with
// the tokens that come next.
//
// Thread-safe. Logs may outlive this, and then write no more.
#ifndef COTERIE_ROUTER_JOURNAL_REQUEST_JOURNALS_H_
#define COTERIE_ROUTER_JOURNAL_REQUEST_JOURNALS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "proto/journal.pb.h"
#include "router/engine/token_log.h"
#include "router/journal/journal_metrics.h"
#include "router/journal/journal_writer.h"

namespace coterie {

struct FoundJournal {
  v1::RequestJournal request;
  std::vector<std::vector<int32_t>> tokens;  // by choice; those of the last may be missing
  uint64_t version = 0;                      // of the tokens
};

class RequestJournals {
 public:
  struct Options {
    // All that shapes tokens besides the request: two routers whose fields differ do not resume
    // each other's.
    std::vector<std::string> root_fields;
    // How long one is kept after it was written last; the request itself may end a quarter earlier.
    absl::Duration keep = absl::Minutes(10);
    absl::Duration interval = absl::Milliseconds(50);  // between two writes
  };
  using FindDone = std::function<void(absl::StatusOr<FoundJournal>)>;

  // store, metrics: not owned, outlive this.
  RequestJournals(BlockStore* store, Options options, JournalMetrics* metrics);
  ~RequestJournals() { WaitForFinds(); }

  // A log for a request that begins. `journal` has the request and its seed; the rest is filled in.
  std::shared_ptr<TokenLog> Open(const std::string& tenant, v1::RequestJournal journal,
                                 size_t num_choices);
  // A log for a request that goes on here from what was found.
  std::shared_ptr<TokenLog> Reopen(const std::string& tenant, const FoundJournal& found,
                                   const std::vector<std::vector<int32_t>>& tokens);

  // NotFound: not noted down, or forgotten. FailedPrecondition: begun by a router of another model
  // or format. Unavailable, DeadlineExceeded: the store's. `done` is called once, on a thread of
  // the store's or at once, and must be quick.
  void Find(const std::string& tenant, const std::string& request_id, absl::Time deadline,
            FindDone done) const;
  // Until every Find has been answered: at the last deadline.
  void WaitForFinds() const;

 private:
  struct Finds;

  BlockStore* const store_;
  const Options options_;
  JournalMetrics* const metrics_;
  const std::shared_ptr<Finds> finds_;
  const std::shared_ptr<JournalWriter> writer_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_JOURNAL_REQUEST_JOURNALS_H_

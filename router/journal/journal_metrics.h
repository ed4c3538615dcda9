// JournalMetrics: the journals of requests, for Prometheus. docs/metrics.md has a row for each.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_JOURNAL_JOURNAL_METRICS_H_
#define COTERIE_ROUTER_JOURNAL_JOURNAL_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>

namespace coterie {

class JournalMetrics {
 public:
  explicit JournalMetrics(prometheus::Registry& registry)
      : journals_(prometheus::BuildCounter()
                      .Name("router_journals_total")
                      .Help("Requests noted down in the store, so that another router can go on")
                      .Register(registry)),
        resumes_(prometheus::BuildCounter()
                     .Name("router_resumes_total")
                     .Help("Calls of Resume, by whether the request's journal was found")
                     .Register(registry)),
        begun(journals_.Add({{"result", "begun"}})),
        too_large(journals_.Add({{"result", "too_large"}})),
        found(resumes_.Add({{"result", "found"}})),
        not_found(resumes_.Add({{"result", "not_found"}})),
        written_bytes(prometheus::BuildCounter()
                          .Name("router_journal_written_bytes_total")
                          .Help("Bytes of journals given to the store")
                          .Register(registry)
                          .Add({})) {}

 private:
  prometheus::Family<prometheus::Counter>&journals_, &resumes_;

 public:
  prometheus::Counter &begun, &too_large, &found, &not_found, &written_bytes;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_JOURNAL_JOURNAL_METRICS_H_

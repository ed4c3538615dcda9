// JournalTable: requests' journals. Small, mutable, each with a version and an end; the highest
// version wins. When all together are too many bytes, those go that would end first.
//
// Thread-safe. No clock of its own.
#ifndef COTERIE_KV_STORE_JOURNAL_TABLE_H_
#define COTERIE_KV_STORE_JOURNAL_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace coterie {

inline constexpr size_t kJournalBytesMax = size_t{4} << 20;
inline constexpr size_t kJournalIdBytesMax = 256;

struct StoredJournal {
  uint64_t version = 0;
  std::string bytes;
};

class JournalTable {
 public:
  explicit JournalTable(size_t capacity_bytes = size_t{64} << 20)
      : capacity_bytes_(capacity_bytes) {}

  // FailedPrecondition: a later version is here. InvalidArgument: too long a name or journal.
  absl::Status Put(std::string id, StoredJournal journal, absl::Time until, absl::Time now);
  // NotFound: never put, ended or forgotten.
  absl::StatusOr<StoredJournal> Get(const std::string& id, absl::Time now);

  size_t used_bytes() const;
  size_t size() const;

 private:
  struct Kept {
    StoredJournal journal;
    absl::Time until;
  };
  using Journals = absl::flat_hash_map<std::string, Kept>;

  // These require mu_.
  void Remove(Journals::iterator it);
  void RemoveEnded(absl::Time now);

  const size_t capacity_bytes_;

  mutable std::mutex mu_;  // guards what follows
  Journals journals_;
  std::set<std::pair<absl::Time, std::string>> by_end_;
  size_t used_bytes_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_JOURNAL_TABLE_H_

#include "kv_store/journal_table.h"

#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

// What a journal takes beside its bytes, so that a million empty ones are not free.
constexpr size_t kOverheadBytes = 256;

size_t BytesOf(const std::string& id, const StoredJournal& journal) {
  return kOverheadBytes + 2 * id.size() + journal.bytes.size();
}

}  // namespace

absl::Status JournalTable::Put(std::string id, StoredJournal journal, absl::Time until,
                               absl::Time now) {
  if (id.empty() || id.size() > kJournalIdBytesMax || journal.bytes.size() > kJournalBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "journal: a name of ", id.size(), " characters and ", journal.bytes.size(), " bytes; 1 to ",
        kJournalIdBytesMax, " and ", kJournalBytesMax, " are allowed"));
  }
  std::lock_guard<std::mutex> lock(mu_);
  RemoveEnded(now);
  if (const auto it = journals_.find(id); it != journals_.end()) {
    if (it->second.journal.version > journal.version) {
      return absl::FailedPreconditionError(absl::StrCat("journal of ", id, ": version ",
                                                        it->second.journal.version, " is here, ",
                                                        journal.version, " came late"));
    }
    Remove(it);
  }
  used_bytes_ += BytesOf(id, journal);
  by_end_.emplace(until, id);
  journals_[std::move(id)] = {std::move(journal), until};
  while (used_bytes_ > capacity_bytes_) Remove(journals_.find(by_end_.begin()->second));
  return absl::OkStatus();
}

absl::StatusOr<StoredJournal> JournalTable::Get(const std::string& id, absl::Time now) {
  std::lock_guard<std::mutex> lock(mu_);
  RemoveEnded(now);
  const auto it = journals_.find(id);
  if (it == journals_.end()) return absl::NotFoundError(absl::StrCat("no journal of ", id));
  return it->second.journal;
}

void JournalTable::Remove(Journals::iterator it) {
  used_bytes_ -= BytesOf(it->first, it->second.journal);
  by_end_.erase({it->second.until, it->first});
  journals_.erase(it);
}

void JournalTable::RemoveEnded(absl::Time now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now)
    Remove(journals_.find(by_end_.begin()->second));
}

size_t JournalTable::used_bytes() const {
  std::lock_guard<std::mutex> lock(mu_);
  return used_bytes_;
}

size_t JournalTable::size() const {
  std::lock_guard<std::mutex> lock(mu_);
  return journals_.size();
}

}  // namespace coterie

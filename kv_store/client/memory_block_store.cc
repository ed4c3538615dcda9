#include "kv_store/client/memory_block_store.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/check.h"

namespace coterie {
namespace {

// Of all journals together; the one that ends first goes first.
constexpr size_t kJournalBytesTotalMax = size_t{64} << 20;

}  // namespace

// Invariants, all guarded by mu_. used_ is in the order of use, latest first, and holds what
// objects_ holds. The thread takes calls in their order; callers bound how many there are, since
// each of their sequences waits for one.
class MemoryBlockStore::Core {
 public:
  explicit Core(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Core() {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // What a call does on the store's own thread; `verdict`: OK, or why it is too late.
  using Call = std::function<void(const absl::Status& verdict)>;

  void Post(absl::Time deadline, Call call) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      calls_.push_back({deadline, std::move(call)});
    }
    changed_.notify_all();
  }

  bool Holds(const ObjectKey& key) {
    std::lock_guard<std::mutex> lock(mu_);
    return Use(key) != nullptr;
  }

  std::shared_ptr<const std::string> Take(const ObjectKey& key) {
    std::lock_guard<std::mutex> lock(mu_);
    return Use(key);
  }

  void Add(StoredObject object) {
    CHECK(object.bytes != nullptr);
    std::lock_guard<std::mutex> lock(mu_);
    const size_t bytes = object.bytes->size();
    if (bytes > kObjectBytesMax || bytes > capacity_bytes_ || Use(object.key) != nullptr) return;
    while (used_bytes_ + bytes > capacity_bytes_) {
      used_bytes_ -= used_.back().bytes->size();
      objects_.erase(used_.back().key);
      used_.pop_back();
    }
    used_.push_front(std::move(object));
    objects_[used_.front().key] = used_.begin();
    used_bytes_ += bytes;
  }

  void Forget(const ObjectKey& key) {
    std::lock_guard<std::mutex> lock(mu_);
    const auto it = objects_.find(key);
    if (it != objects_.end()) used_.splice(used_.end(), used_, it->second);
  }

  void AddJournal(std::string id, StoredJournal journal, absl::Time until) {
    std::lock_guard<std::mutex> lock(mu_);
    if (journal.bytes.size() > kJournalBytesMax) return;
    const auto it = journals_.find(id);
    if (it != journals_.end()) {
      if (it->second.journal.version > journal.version) return;
      RemoveJournal(it);
    }
    journal_bytes_ += journal.bytes.size();
    by_end_.emplace(until, id);
    journals_[std::move(id)] = {std::move(journal), until};
    while (journal_bytes_ > kJournalBytesTotalMax)
      RemoveJournal(journals_.find(by_end_.begin()->second));
  }

  absl::StatusOr<StoredJournal> TakeJournal(const std::string& id) {
    std::lock_guard<std::mutex> lock(mu_);
    const absl::Time now = absl::Now();
    while (!by_end_.empty() && by_end_.begin()->first < now)
      RemoveJournal(journals_.find(by_end_.begin()->second));
    const auto it = journals_.find(id);
    if (it == journals_.end()) return absl::NotFoundError(absl::StrCat("no journal of ", id));
    return it->second.journal;
  }

  size_t used_bytes() const {
    std::lock_guard<std::mutex> lock(mu_);
    return used_bytes_;
  }
  size_t num_objects() const {
    std::lock_guard<std::mutex> lock(mu_);
    return objects_.size();
  }

 private:
  struct Waiting {
    absl::Time deadline;
    Call call;
  };
  struct KeptJournal {
    StoredJournal journal;
    absl::Time until;
  };
  using Journals = absl::flat_hash_map<std::string, KeptJournal>;

  // The payload, from now on the latest used; null when there is none. Requires mu_.
  std::shared_ptr<const std::string> Use(const ObjectKey& key) {
    const auto it = objects_.find(key);
    if (it == objects_.end()) return nullptr;
    used_.splice(used_.begin(), used_, it->second);
    return it->second->bytes;
  }

  // Requires mu_.
  void RemoveJournal(Journals::iterator it) {
    journal_bytes_ -= it->second.journal.bytes.size();
    by_end_.erase({it->second.until, it->first});
    journals_.erase(it);
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mu_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || !calls_.empty(); });
      if (calls_.empty()) return;
      Waiting next = std::move(calls_.front());
      calls_.pop_front();
      absl::Status verdict;
      if (stop_) {
        verdict = absl::CancelledError("the store is closing");
      } else if (absl::Now() > next.deadline) {
        verdict = absl::DeadlineExceededError("the store was busy until the deadline");
      }
      lock.unlock();
      next.call(verdict);
      next.call = nullptr;  // what it holds may call the store
      lock.lock();
    }
  }

  const size_t capacity_bytes_;
  std::thread thread_;

  mutable std::mutex mu_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::deque<Waiting> calls_;
  std::list<StoredObject> used_;
  absl::flat_hash_map<ObjectKey, std::list<StoredObject>::iterator> objects_;
  size_t used_bytes_ = 0;
  Journals journals_;
  std::set<std::pair<absl::Time, std::string>> by_end_;
  size_t journal_bytes_ = 0;
};

MemoryBlockStore::MemoryBlockStore(size_t capacity_bytes)
    : core_(std::make_unique<Core>(capacity_bytes)) {}
MemoryBlockStore::~MemoryBlockStore() = default;

void MemoryBlockStore::Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) {
  core_->Post(deadline, [core = core_.get(), keys = std::move(keys),
                         done = std::move(done)](const absl::Status& verdict) {
    if (!verdict.ok()) return done(verdict);
    std::vector<bool> present(keys.size());
    // From the last to the first: what comes first in a context is forgotten last.
    for (size_t i = keys.size(); i-- > 0;) present[i] = core->Holds(keys[i]);
    done(std::move(present));
  });
}

void MemoryBlockStore::Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each,
                           GetDone done) {
  core_->Post(deadline, [core = core_.get(), keys = std::move(keys), each = std::move(each),
                         done = std::move(done)](const absl::Status& verdict) {
    for (size_t i = 0; i < keys.size(); ++i)
      each(i, {keys[i], verdict.ok() ? core->Take(keys[i]) : nullptr});
    if (verdict.ok()) {
      for (size_t i = keys.size(); i-- > 0;) core->Holds(keys[i]);
    }
    done(verdict);
  });
}

bool MemoryBlockStore::Put(std::vector<StoredObject> objects, PutOptions options) {
  CHECK(options.parents.empty() || options.parents.size() == objects.size());
  for (StoredObject& object : objects) core_->Add(std::move(object));
  return true;
}

void MemoryBlockStore::Hint(ObjectKey leaf, StoreHint hint) {
  if (hint == StoreHint::kDone) core_->Forget(leaf);
}

void MemoryBlockStore::PutJournal(std::string request_id, uint64_t version, std::string bytes,
                                  absl::Duration keep) {
  core_->AddJournal(std::move(request_id), {version, std::move(bytes)}, absl::Now() + keep);
}

void MemoryBlockStore::GetJournal(std::string request_id, absl::Time deadline, JournalDone done) {
  core_->Post(deadline, [core = core_.get(), id = std::move(request_id),
                         done = std::move(done)](const absl::Status& verdict) {
    if (!verdict.ok()) return done(verdict);
    done(core->TakeJournal(id));
  });
}

size_t MemoryBlockStore::used_bytes() const { return core_->used_bytes(); }
size_t MemoryBlockStore::num_objects() const { return core_->num_objects(); }

}  // namespace coterie

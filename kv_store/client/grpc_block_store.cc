#include "kv_store/client/grpc_block_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kv_store/client/chain_memory.h"
#include "kv_store/client/node_link.h"
#include "kv_store/client/rendezvous.h"
#include "kv_store/client/task_thread.h"
#include "kv_store/client/ticker.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

// Beyond its copies, one more is asked for an object.
constexpr size_t kExtraAsked = 1;

// Indices of keys, by member.
using ByMember = absl::flat_hash_map<size_t, std::vector<size_t>>;

std::vector<ObjectKey> Pick(const std::vector<ObjectKey>& keys, const std::vector<size_t>& which) {
  std::vector<ObjectKey> picked;
  picked.reserve(which.size());
  for (const size_t i : which) picked.push_back(keys[i]);
  return picked;
}

std::vector<std::unique_ptr<NodeLink>> LinksTo(const GrpcBlockStore::Options& options) {
  std::vector<std::unique_ptr<NodeLink>> links;
  links.reserve(options.members.size());
  for (const std::string& member : options.members) {
    links.push_back(
        std::make_unique<NodeLink>(NodeLink::Options{.address = member,
                                                     .put_queue_bytes = options.put_queue_bytes,
                                                     .put_timeout = options.put_timeout}));
  }
  return links;
}

absl::Status NoMember() { return absl::UnavailableError("no kv_store of those asked answers"); }

}  // namespace

class GrpcBlockStore::Core {
 public:
  explicit Core(const Options& options)
      : options_(options), rendezvous_(options.members), links_(LinksTo(options)) {}

  ~Core() {
    for (const auto& link : links_) link->Close();
  }

  // Who may have it, best first.
  std::vector<size_t> Asked(const ObjectKey& key) const {
    return Ranked(key, options_.copies + kExtraAsked);
  }
  // Who gets it.
  std::vector<size_t> Holders(const ObjectKey& key) const { return Ranked(key, options_.copies); }
  std::vector<size_t> JournalHolders(const std::string& request_id) const {
    return rendezvous_.Rank(request_id, options_.copies + kExtraAsked);
  }

  NodeLink& link(size_t member) { return *links_[member]; }
  const std::vector<std::unique_ptr<NodeLink>>& links() const { return links_; }
  ChainMemory& chains() { return chains_; }
  TaskThread& thread() { return thread_; }

  // What was read from another member than the first is written to the first.
  void Repair(const ObjectName& name, size_t member,
              const std::shared_ptr<const std::string>& bytes) {
    if (link(member).IsUsable() && link(member).Put({name, bytes})) ++repaired;
  }

  std::atomic<uint64_t> objects_read{0}, objects_missed{0}, read_bytes{0}, repaired{0};

 private:
  std::vector<size_t> Ranked(const ObjectKey& key, size_t count) const {
    std::string name;
    AppendKey(key, &name);
    return rendezvous_.Rank(name, count);
  }

  const Options options_;
  const Rendezvous rendezvous_;
  ChainMemory chains_;
  const std::vector<std::unique_ptr<NodeLink>> links_;
  TaskThread thread_;  // ends before the links: its tasks use them
  Ticker overdue_{std::chrono::milliseconds(500), [this] {
                    for (const auto& link : links_) link->CancelOverdue();
                  }};
};

// One Get: rounds over the members that may have what is still missing. Each round but the last
// may take half of the time that is left. Callbacks come under no lock.
class GrpcBlockStore::GetOperation : public std::enable_shared_from_this<GetOperation> {
 public:
  GetOperation(Core* core, std::vector<ObjectKey> keys, absl::Time deadline, GetEach each,
               GetDone done)
      : core_(core),
        keys_(std::move(keys)),
        deadline_(deadline),
        each_(std::move(each)),
        done_(std::move(done)),
        came_(keys_.size()),
        next_(keys_.size(), 0) {
    asked_.reserve(keys_.size());
    for (const ObjectKey& key : keys_) asked_.push_back(core_->Asked(key));
  }

  void StartRound() {
    ByMember round;
    bool is_last = true;
    {
      std::lock_guard<std::mutex> lock(mu_);
      for (size_t i = 0; i < keys_.size(); ++i) {
        if (came_[i]) continue;
        const std::vector<size_t>& asked = asked_[i];
        while (next_[i] < asked.size() && !core_->link(asked[next_[i]]).IsUsable()) ++next_[i];
        if (next_[i] == asked.size()) continue;
        is_last = is_last && next_[i] + 1 == asked.size();
        round[asked[next_[i]++]].push_back(i);
      }
      num_waiting_ = round.size();
    }
    const absl::Time now = MonotonicNow();
    if (round.empty() || now >= deadline_) return Finish();
    const absl::Time until = is_last ? deadline_ : now + (deadline_ - now) / 2;
    for (auto& [member, which] : round) Ask(member, std::move(which), until);
  }

 private:
  void Ask(size_t member, std::vector<size_t> which, absl::Time until) {
    const std::vector<ObjectKey> keys = Pick(keys_, which);
    core_->link(member).Get(
        keys, until,
        [self = shared_from_this(), member, which = std::move(which)](
            size_t index, const ObjectName& name, const std::shared_ptr<const std::string>& bytes) {
          if (bytes != nullptr) self->Came(which[index], member, name, bytes);
        },
        [self = shared_from_this()](const absl::Status& status) { self->Ended(status); });
  }

  void Came(size_t index, size_t member, const ObjectName& name,
            const std::shared_ptr<const std::string>& bytes) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (came_[index]) return;
      came_[index] = true;
    }
    ++core_->objects_read;
    core_->read_bytes += bytes->size();
    if (const size_t first = asked_[index].front(); member != first)
      core_->Repair(name, first, bytes);
    each_(index, {keys_[index], bytes});
  }

  void Ended(const absl::Status& status) {
    {
      std::lock_guard<std::mutex> lock(mu_);
      if (status.ok()) any_answered_ = true;
      if (!status.ok()) last_error_ = status;
      if (--num_waiting_ > 0) return;
    }
    StartRound();
  }

  void Finish() {
    std::vector<size_t> missing;
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (!came_[i]) missing.push_back(i);
    }
    core_->objects_missed += missing.size();
    for (const size_t i : missing) each_(i, {keys_[i], nullptr});
    // A miss is no error; that nobody could be asked is one.
    absl::Status status;
    if (!missing.empty() && !any_answered_) status = last_error_.ok() ? NoMember() : last_error_;
    if (!missing.empty() && absl::IsDeadlineExceeded(last_error_)) status = last_error_;
    done_(status);
  }

  Core* const core_;
  const std::vector<ObjectKey> keys_;
  const absl::Time deadline_;
  const GetEach each_;
  const GetDone done_;
  std::vector<std::vector<size_t>> asked_;  // for each key

  std::mutex mu_;  // guards what follows
  std::vector<bool> came_;
  std::vector<size_t> next_;  // for each key, whom to ask next: index into asked_
  size_t num_waiting_ = 0;
  bool any_answered_ = false;
  absl::Status last_error_;
};

absl::StatusOr<std::unique_ptr<GrpcBlockStore>> GrpcBlockStore::Create(Options options) {
  if (options.members.empty() || options.copies < 1)
    return absl::InvalidArgumentError("a store has at least one member and one copy");
  const std::set<std::string> names(options.members.begin(), options.members.end());
  if (names.size() != options.members.size() || names.contains(""))
    return absl::InvalidArgumentError("a member of the store is named twice, or is empty");
  return std::unique_ptr<GrpcBlockStore>(new GrpcBlockStore(std::make_unique<Core>(options)));
}

GrpcBlockStore::GrpcBlockStore(std::unique_ptr<Core> core) : core_(std::move(core)) {}
GrpcBlockStore::~GrpcBlockStore() = default;

void GrpcBlockStore::Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) {
  for (size_t i = 1; i < keys.size(); ++i) {
    if (keys[i].kind == keys[i - 1].kind) core_->chains().Learn(keys[i], keys[i - 1]);
  }
  struct Operation {
    std::mutex mu;  // guards what follows
    std::vector<bool> present;
    size_t num_waiting = 0;
    bool any_answered = false, ended = false;
    absl::Status last_error;
    FindDone done;
  };
  auto operation = std::make_shared<Operation>();
  operation->present.resize(keys.size());
  operation->done = std::move(done);
  ByMember by_member;
  for (size_t i = 0; i < keys.size(); ++i) {
    for (const size_t member : core_->Asked(keys[i])) {
      if (core_->link(member).IsUsable()) by_member[member].push_back(i);
    }
  }
  if (by_member.empty()) {
    core_->thread().Post([operation, is_empty = keys.empty()] {
      if (is_empty) return operation->done(std::vector<bool>());
      operation->done(NoMember());
    });
    return;
  }
  operation->num_waiting = by_member.size();
  for (auto& [member, which] : by_member) {
    const std::vector<ObjectKey> picked = Pick(keys, which);
    core_->link(member).Find(
        picked, deadline,
        [operation, which = std::move(which)](const absl::StatusOr<std::vector<bool>>& present) {
          absl::StatusOr<std::vector<bool>> result;
          {
            std::lock_guard<std::mutex> lock(operation->mu);
            --operation->num_waiting;
            if (operation->ended) return;
            std::vector<bool>& all = operation->present;
            if (present.ok()) {
              operation->any_answered = true;
              for (size_t i = 0; i < which.size(); ++i) {
                if ((*present)[i]) all[which[i]] = true;
              }
            } else {
              operation->last_error = present.status();
            }
            // That all are there is known before those that hang have answered.
            const bool is_known = std::find(all.begin(), all.end(), false) == all.end();
            if (operation->num_waiting > 0 && !is_known) return;
            operation->ended = true;
            if (operation->any_answered) {
              result = std::move(all);
            } else {
              result = operation->last_error;
            }
          }
          operation->done(std::move(result));
        });
  }
}

void GrpcBlockStore::Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each,
                         GetDone done) {
  auto operation = std::make_shared<GetOperation>(core_.get(), std::move(keys), deadline,
                                                  std::move(each), std::move(done));
  // By the store's own thread: it may end at once.
  core_->thread().Post([operation = std::move(operation)] { operation->StartRound(); });
}

bool GrpcBlockStore::Put(std::vector<StoredObject> objects, PutOptions options) {
  CHECK(options.parents.empty() || options.parents.size() == objects.size());
  bool any_taken = objects.empty();
  for (size_t i = 0; i < objects.size(); ++i) {
    CHECK(objects[i].bytes != nullptr);
    const ObjectKey& key = objects[i].key;
    const ObjectKey& parent = options.parents.empty() ? key : options.parents[i];
    core_->chains().Learn(key, parent);
    for (const size_t member : core_->Holders(key))
      any_taken |= core_->link(member).Put({{key, parent, options.tenant}, objects[i].bytes});
  }
  return any_taken;
}

void GrpcBlockStore::Hint(ObjectKey leaf, StoreHint hint) {
  const std::vector<ObjectKey> chain = core_->chains().Chain(leaf, kKeysMax);
  absl::flat_hash_map<size_t, std::vector<ObjectKey>> by_member;
  for (const ObjectKey& key : chain) {
    for (const size_t member : core_->Holders(key)) by_member[member].push_back(key);
  }
  for (const auto& [member, keys] : by_member) core_->link(member).Hint(keys, hint);
}

void GrpcBlockStore::PutJournal(std::string request_id, uint64_t version, std::string bytes,
                                absl::Duration keep, JournalKept kept) {
  struct Operation {
    std::atomic<size_t> num_waiting{0};
    std::atomic<bool> any{false};
    JournalKept kept;
  };
  const std::vector<size_t> members = core_->JournalHolders(request_id);
  const auto operation = std::make_shared<Operation>();
  operation->num_waiting = members.size();
  operation->kept = std::move(kept);
  for (const size_t member : members) {
    core_->link(member).PutJournal(request_id, version, bytes, keep, [operation](bool here) {
      if (here) operation->any = true;
      if (--operation->num_waiting == 0 && operation->kept) operation->kept(operation->any);
    });
  }
}

void GrpcBlockStore::GetJournal(std::string request_id, absl::Time deadline, JournalDone done) {
  struct Operation {
    std::mutex mu;  // guards what follows
    absl::StatusOr<StoredJournal> best = NoMember();
    size_t num_waiting = 0;
    JournalDone done;
  };
  auto operation = std::make_shared<Operation>();
  operation->done = std::move(done);
  std::vector<size_t> members;
  for (const size_t member : core_->JournalHolders(request_id)) {
    if (core_->link(member).IsUsable()) members.push_back(member);
  }
  if (members.empty()) {
    core_->thread().Post([operation] { operation->done(operation->best); });
    return;
  }
  operation->num_waiting = members.size();
  for (const size_t member : members) {
    core_->link(member).GetJournal(
        request_id, deadline, [operation](absl::StatusOr<StoredJournal> journal) {
          {
            std::lock_guard<std::mutex> lock(operation->mu);
            absl::StatusOr<StoredJournal>& best = operation->best;
            // The latest version of all; that one says NotFound counts less than that one has it,
            // and more than that one is gone.
            if (journal.ok() ? !best.ok() || best->version < journal->version
                             : !best.ok() && !absl::IsNotFound(best.status())) {
              best = std::move(journal);
            }
            if (--operation->num_waiting > 0) return;
          }
          operation->done(std::move(operation->best));
        });
  }
}

bool GrpcBlockStore::Flush(absl::Time deadline) {
  return std::all_of(core_->links().begin(), core_->links().end(),
                     [&](const auto& link) { return link->Flush(deadline); });
}

GrpcBlockStore::Counts GrpcBlockStore::counts() const {
  Counts counts = {.objects_read = core_->objects_read,
                   .objects_missed = core_->objects_missed,
                   .read_bytes = core_->read_bytes,
                   .repaired = core_->repaired};
  for (const auto& link : core_->links()) {
    const NodeLink::Counts of_link = link->counts();
    counts.damaged += of_link.damaged;
    counts.failed_calls += of_link.failed_calls;
    counts.put_objects += of_link.put_objects;
    counts.put_present += of_link.put_present;
    counts.put_dropped += of_link.put_dropped;
    counts.members_usable += link->IsUsable() ? 1 : 0;
    counts.members_sharing_memory += link->SharesMemory() ? 1 : 0;
  }
  return counts;
}

}  // namespace coterie

// FakeBlockStore: a store that keeps what it is given, and does what a plan says that real ones do
// on bad days. It never lies about the content of blocks: what a real client would find damaged
// comes as a miss.
//
//   store.Do({.get = FakeBlockStore::How::kNever});
#ifndef COTERIE_TESTS_TESTING_FAKE_BLOCK_STORE_H_
#define COTERIE_TESTS_TESTING_FAKE_BLOCK_STORE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/client/block_store.h"
#include "kv_store/client/memory_block_store.h"

namespace coterie {

// Thread-safe.
class FakeBlockStore final : public BlockStore {
 public:
  enum class How {
    kWell,
    kNever,         // no answer until Release
    kFails,         // Unavailable
    kLosesOne,      // one object is a miss: its bits had flipped
    kCutsOne,       // one object is too short
    kBackwards,     // in reverse order
    kTwice,         // one object comes twice
    kEndsEarly,     // done comes before the last object
    kLosesMost,     // only the first object comes
    kForgesFirst,   // a checkpoint's record names another first block
    kForgesName,    // a checkpoint's record names another local block
    kAnswersShort,  // fewer answers than questions
  };
  struct Plan {
    How find = How::kWell, get = How::kWell, put = How::kWell;
  };

  explicit FakeBlockStore(size_t capacity_bytes = size_t{256} << 20)
      : capacity_bytes_(capacity_bytes),
        store_(std::make_unique<MemoryBlockStore>(capacity_bytes)) {}
  ~FakeBlockStore() override { Release(); }

  void Do(Plan plan) {
    std::lock_guard<std::mutex> lock(mu_);
    plan_ = plan;
  }
  // What was held back is answered now, well.
  void Release();

  // It has lost everything, as one without a disk that was restarted. With no call under way.
  void Forget() { store_ = std::make_unique<MemoryBlockStore>(capacity_bytes_); }

  struct Counts {
    int64_t finds = 0, gets = 0, puts = 0, objects_got = 0;
    std::map<BlockKind, int64_t> put_kinds;
    std::vector<std::pair<ObjectKey, StoreHint>> hints;
    int64_t puts_again = 0;  // of objects that were there
  };
  Counts counts() const {
    std::lock_guard<std::mutex> lock(mu_);
    return counts_;
  }
  size_t num_objects() const { return store_->num_objects(); }

  void Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) override;
  void Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each, GetDone done) override;
  bool Put(std::vector<StoredObject> objects, PutOptions options) override;
  void Hint(ObjectKey leaf, StoreHint hint) override;
  void PutJournal(std::string request_id, uint64_t version, std::string bytes, absl::Duration keep,
                  JournalKept kept) override {
    store_->PutJournal(std::move(request_id), version, std::move(bytes), keep, std::move(kept));
  }
  void GetJournal(std::string request_id, absl::Time deadline, JournalDone done) override {
    store_->GetJournal(std::move(request_id), deadline, std::move(done));
  }

 private:
  struct Arrival {
    size_t index;
    StoredObject object;
  };
  static void Spoil(How how, uint32_t draw, std::vector<Arrival>* arrivals);

  mutable std::mutex mu_;  // guards what follows
  Plan plan_;
  Counts counts_;
  std::minstd_rand random_{7};
  std::deque<std::function<void()>> held_;
  std::map<ObjectKey, bool> seen_;

  const size_t capacity_bytes_;
  std::unique_ptr<MemoryBlockStore> store_;  // last: its thread calls the above
};

}  // namespace coterie

#endif  // COTERIE_TESTS_TESTING_FAKE_BLOCK_STORE_H_

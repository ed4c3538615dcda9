// DelayedStore: a BlockStore whose fetches take a while longer; an hour is never. Lookups are
// answered at once, so that what it has is asked for.
#ifndef COTERIE_BENCH_KV_DELAYED_STORE_H_
#define COTERIE_BENCH_KV_DELAYED_STORE_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kv_store/client/block_store.h"

namespace coterie {

class DelayedStore final : public BlockStore {
 public:
  DelayedStore(std::unique_ptr<BlockStore> store, absl::Duration delay)
      : store_(std::move(store)), delay_(delay), thread_([this] { Run(); }) {}
  // What was delayed is dropped.
  ~DelayedStore() override {
    {
      std::lock_guard<std::mutex> lock(mu_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) override {
    store_->Find(std::move(keys), deadline, std::move(done));
  }
  void Get(std::vector<ObjectKey> keys, absl::Time, GetEach each, GetDone done) override {
    {
      std::lock_guard<std::mutex> lock(mu_);
      waiting_.emplace_back(absl::Now() + delay_,
                            [=, this] { store_->Get(keys, absl::InfiniteFuture(), each, done); });
    }
    changed_.notify_one();
  }
  bool Put(std::vector<StoredObject> objects, PutOptions options) override {
    return store_->Put(std::move(objects), std::move(options));
  }
  bool Flush(absl::Time deadline) override { return store_->Flush(deadline); }
  void Hint(ObjectKey leaf, StoreHint hint) override { store_->Hint(leaf, hint); }
  void PutJournal(std::string request_id, uint64_t version, std::string bytes, absl::Duration keep,
                  JournalKept kept) override {
    store_->PutJournal(std::move(request_id), version, std::move(bytes), keep, std::move(kept));
  }
  void GetJournal(std::string request_id, absl::Time deadline, JournalDone done) override {
    store_->GetJournal(std::move(request_id), deadline, std::move(done));
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mu_);
    while (!stopping_) {
      if (waiting_.empty()) {
        changed_.wait(lock);
        continue;
      }
      if (const absl::Duration left = waiting_.front().first - absl::Now();
          left > absl::ZeroDuration()) {
        changed_.wait_for(lock, absl::ToChronoNanoseconds(std::min(left, absl::Seconds(1))));
        continue;
      }
      const std::function<void()> call = std::move(waiting_.front().second);
      waiting_.pop_front();
      lock.unlock();
      call();
      lock.lock();
    }
  }

  const std::unique_ptr<BlockStore> store_;
  const absl::Duration delay_;
  std::mutex mu_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::pair<absl::Time, std::function<void()>>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace coterie

#endif  // COTERIE_BENCH_KV_DELAYED_STORE_H_

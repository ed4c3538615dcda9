#include "router/kv/kv_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ops/process/clock.h"

namespace coterie {
namespace {

// How soon a store whose queue was full is asked again.
constexpr std::chrono::milliseconds kAgain(2);

}  // namespace

KvWriter::KvWriter(BlockStore* store, const KvCodec* codec, Options options)
    : store_(store), codec_(codec), options_(options), thread_([this] { Run(); }) {}

KvWriter::~KvWriter() {
  {
    std::lock_guard<std::mutex> lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool KvWriter::Offer(Job* job) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (queued_bytes_ + job->num_bytes > options_.queue_bytes) return false;
    queued_bytes_ += job->num_bytes;
    queue_.push_back(std::move(*job));
  }
  changed_.notify_all();
  return true;
}

std::vector<KvWriter::Done> KvWriter::Collect() {
  std::vector<Job> finished;  // its references go here, on the thread that owns the pools
  std::lock_guard<std::mutex> lock(mu_);
  finished.swap(finished_);
  return std::exchange(done_, {});
}

bool KvWriter::Flush(absl::Time deadline) {
  std::unique_lock<std::mutex> lock(mu_);
  const auto until =
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(deadline - MonotonicNow());
  return changed_.wait_until(lock, until, [&] { return queue_.empty() && !writing_; });
}

void KvWriter::Run() {
  std::unique_lock<std::mutex> lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    writing_ = true;
    lock.unlock();
    Write(&job);
    lock.lock();
    writing_ = false;
    queued_bytes_ -= job.num_bytes;
    finished_.push_back(std::move(job));
    changed_.notify_all();
  }
}

void KvWriter::Write(Job* job) {
  std::vector<Done> done;
  bool taken = true;
  for (Item& item : job->items) {
    int64_t num_bytes = 0;
    taken = taken && Put(*job, &item, &num_bytes);
    done.push_back({item.key.kind, item.marks, num_bytes, taken});
  }
  std::lock_guard<std::mutex> lock(mu_);
  for (Done& one : done) done_.push_back(std::move(one));
}

bool KvWriter::Put(const Job& job, Item* item, int64_t* num_bytes) {
  if (item->key.kind == BlockKind::kGlobal) item->bytes = codec_->EncodeGlobal(item->block.data());
  if (item->key.kind == BlockKind::kLocal) item->bytes = codec_->EncodeLocal(item->block.data());
  *num_bytes = static_cast<int64_t>(item->bytes.size());
  const StoredObject object{item->key, std::make_shared<const std::string>(std::move(item->bytes))};
  // One that has refused for so long is not waited for again until it takes something.
  const absl::Duration patience = refused_ ? absl::ZeroDuration() : options_.patience;
  const auto until = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(patience);
  for (;;) {
    refused_ = !store_->Put({object}, {.tenant = job.tenant, .parents = {item->parent}});
    if (!refused_) return true;
    std::unique_lock<std::mutex> lock(mu_);
    if (stopping_ || std::chrono::steady_clock::now() >= until) return false;
    changed_.wait_for(lock, kAgain, [&] { return stopping_; });
  }
}

}  // namespace coterie

#include "router/kv/store_fetch.h"

#include <algorithm>
#include <utility>

#include "kernels/check.h"
#include "ops/process/clock.h"

namespace coterie {
namespace {

// A lookup that takes longer is of no use to anybody.
constexpr absl::Duration kLookupLimit = absl::Seconds(2);

}  // namespace

std::shared_ptr<StoreFetch> StoreFetch::Begin(BlockStore* store, Options options) {
  auto fetch = std::shared_ptr<StoreFetch>(new StoreFetch(std::move(options)));
  store->Find(fetch->LookupKeys(), fetch->began() + kLookupLimit,
              [fetch](const absl::StatusOr<std::vector<bool>>& present) { fetch->Found(present); });
  return fetch;
}

// Block by block: the global block, and the checkpoint that may stand behind it.
std::vector<ObjectKey> StoreFetch::LookupKeys() const {
  std::vector<ObjectKey> keys;
  keys.reserve(2 * options_.ids.size());
  for (size_t i = 0; i < options_.ids.size(); ++i) {
    keys.push_back(Key(static_cast<int64_t>(i), BlockKind::kGlobal));
    keys.push_back(Key(static_cast<int64_t>(i), BlockKind::kCheckpoint));
  }
  return keys;
}

void StoreFetch::Found(const absl::StatusOr<std::vector<bool>>& present) {
  const absl::Time now = MonotonicNow();
  const bool good = present.ok() && present->size() == 2 * options_.ids.size();
  if (!good && !Read(late_))
    options_.health->Failed(StoreHealth::Call::kLookup, now);
  else if (good && now - options_.began <= options_.prompt)
    options_.health->Answered(StoreHealth::Call::kLookup);
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (state_ != State::kLooking) return;
    state_ = State::kFound;
    if (!good) Fail();
    found_at_ = now;
    for (size_t i = 0; good && i < options_.ids.size() && (*present)[2 * i]; ++i) {
      matched_blocks_ = static_cast<int64_t>(i) + 1;
      if ((*present)[2 * i + 1]) checkpoint_blocks_ = matched_blocks_;
    }
  }
  options_.bell->Ring();
}

void StoreFetch::Get(BlockStore* store, Order order) {
  std::vector<ObjectKey> keys;
  {
    std::lock_guard<std::mutex> lock(mu_);
    CHECK(state_ == State::kFound);
    state_ = State::kFetching;
    get_began_ = last_news_ = order.began;
    hold_until_ = order.hold_until;
    silence_ = order.silence;
    num_tokens_ = order.num_tokens;
    room_ = std::move(order.room);
    wanted_ = std::move(order.wanted);
    // The window comes first: it is most of the bytes, and without it the rest is of no use.
    keys_.push_back(Key(checkpoint_blocks_ - 1, BlockKind::kCheckpoint));
    for (const int64_t block : wanted_.locals) keys_.push_back(Key(block, BlockKind::kLocal));
    for (const int64_t block : wanted_.globals) keys_.push_back(Key(block, BlockKind::kGlobal));
    payloads_.resize(keys_.size());
    keys = keys_;
  }
  const std::shared_ptr<StoreFetch> self = shared_from_this();
  store->Get(
      std::move(keys), order.deadline,
      [self](size_t index, StoredObject object) { self->Arrived(index, std::move(object)); },
      [self](const absl::Status& status) { self->Ended(status); });
}

void StoreFetch::Arrived(size_t index, StoredObject object) {
  bool ends = false;
  {
    std::lock_guard<std::mutex> lock(mu_);
    if (state_ != State::kFetching) return;
    const bool fits = index < keys_.size() && object.bytes != nullptr &&
                      object.key == keys_[index] && payloads_[index] == nullptr;
    if (fits) {
      num_bytes_ += static_cast<int64_t>(object.bytes->size());
      payloads_[index] = std::move(object.bytes);
      last_news_ = MonotonicNow();
      if (++num_arrived_ == keys_.size()) state_ = State::kFetched;
    } else {
      Fail();
    }
    ends = state_ != State::kFetching;
  }
  if (ends) options_.bell->Ring();
}

void StoreFetch::Ended(const absl::Status& status) {
  bool news = false;
  {
    std::lock_guard<std::mutex> lock(mu_);
    // Who gave up one that was under way has counted it, who let go of one that had failed has not.
    if (given_up_ && !failed_) return;
    // Before anybody sees the end: the next request goes by it.
    if (!status.ok() && !late_) options_.health->Failed(StoreHealth::Call::kFetch, MonotonicNow());
    news = state_ == State::kFetching;
    if (news) Fail();  // not everything has come
  }
  if (news) options_.bell->Ring();
}

void StoreFetch::Fail() {
  failed_ = true;
  LetGo();
}

void StoreFetch::LetGo() {
  state_ = State::kOver;
  payloads_.clear();
  room_.reset();
}

void StoreFetch::SetLate() {
  std::lock_guard<std::mutex> lock(mu_);
  late_ = true;
}

void StoreFetch::Drop() {
  std::lock_guard<std::mutex> lock(mu_);
  given_up_ = true;
  LetGo();
}

absl::Time StoreFetch::HoldUntil() const {
  std::lock_guard<std::mutex> lock(mu_);
  return std::min(hold_until_, last_news_ + silence_);
}

StoreFetch::State StoreFetch::state() const { return Read(state_); }

bool StoreFetch::IsNews() {
  std::lock_guard<std::mutex> lock(mu_);
  return state_ == State::kFound && !std::exchange(seen_, true);
}

bool StoreFetch::HasNews() const {
  std::lock_guard<std::mutex> lock(mu_);
  return state_ == State::kFound && !seen_;
}

StoreFetch::Fetched StoreFetch::Take() {
  std::lock_guard<std::mutex> lock(mu_);
  CHECK(state_ == State::kFetched);
  state_ = State::kOver;
  Fetched fetched{.wanted = std::move(wanted_)};
  auto payload = payloads_.begin();
  fetched.record = std::move(*payload++);
  const auto locals = payload + static_cast<std::ptrdiff_t>(fetched.wanted.locals.size());
  fetched.locals.assign(payload, locals);
  fetched.globals.assign(locals, payloads_.end());
  given_up_ = true;
  LetGo();
  return fetched;
}

}  // namespace coterie

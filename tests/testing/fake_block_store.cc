#include "tests/testing/fake_block_store.h"

#include <algorithm>
#include <memory>

#include "absl/status/status.h"

namespace coterie {

void FakeBlockStore::Release() {
  std::deque<std::function<void()>> held;
  {
    std::lock_guard<std::mutex> lock(mu_);
    held.swap(held_);
  }
  for (const auto& answer : held) answer();
}

void FakeBlockStore::Find(std::vector<ObjectKey> keys, absl::Time deadline, FindDone done) {
  How how;
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++counts_.finds;
    how = plan_.find;
    if (how == How::kNever) {
      held_.emplace_back([=, this] { store_->Find(keys, absl::InfiniteFuture(), done); });
      return;
    }
  }
  store_->Find(std::move(keys), deadline,
               [how, done = std::move(done)](absl::StatusOr<std::vector<bool>> present) {
                 if (how == How::kFails) return done(absl::UnavailableError("the node is gone"));
                 if (how == How::kAnswersShort && present.ok())
                   present->resize(present->size() / 2);
                 done(std::move(present));
               });
}

void FakeBlockStore::Spoil(How how, uint32_t draw, std::vector<Arrival>* arrivals) {
  const size_t chosen = draw % arrivals->size();
  StoredObject& object = (*arrivals)[chosen].object;
  switch (how) {
    case How::kLosesOne:
      object.bytes = nullptr;
      break;
    case How::kCutsOne:
      if (object.bytes != nullptr)
        object.bytes = std::make_shared<const std::string>(*object.bytes, 0,
                                                           object.bytes->size() - 1 - draw % 3);
      break;
    case How::kBackwards:
      std::reverse(arrivals->begin(), arrivals->end());
      break;
    case How::kTwice:
      arrivals->push_back((*arrivals)[chosen]);
      break;
    case How::kEndsEarly:
      arrivals->pop_back();
      break;
    case How::kForgesFirst:
    case How::kForgesName:
      for (Arrival& arrival : *arrivals) {
        if (arrival.object.key.kind != BlockKind::kCheckpoint) continue;
        std::string forged = *arrival.object.bytes;
        forged[how == How::kForgesFirst ? 8 : 20] ^= 1;
        arrival.object.bytes = std::make_shared<const std::string>(std::move(forged));
      }
      break;
    case How::kLosesMost:
      for (size_t i = 1; i < arrivals->size(); ++i) (*arrivals)[i].object.bytes = nullptr;
      break;
    default:
      break;
  }
}

void FakeBlockStore::Get(std::vector<ObjectKey> keys, absl::Time deadline, GetEach each,
                         GetDone done) {
  How how;
  uint32_t draw;
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++counts_.gets;
    counts_.objects_got += static_cast<int64_t>(keys.size());
    how = plan_.get;
    draw = static_cast<uint32_t>(random_());
    if (how == How::kNever) {
      held_.emplace_back([=, this] { store_->Get(keys, absl::InfiniteFuture(), each, done); });
      return;
    }
  }
  const auto arrivals = std::make_shared<std::vector<Arrival>>();
  store_->Get(
      std::move(keys), deadline,
      [arrivals](size_t index, StoredObject object) {
        arrivals->push_back({index, std::move(object)});
      },
      [=, each = std::move(each), done = std::move(done)](const absl::Status& status) {
        if (how == How::kFails) return done(absl::UnavailableError("the node is gone"));
        Spoil(how, draw, arrivals.get());
        for (Arrival& arrival : *arrivals) each(arrival.index, std::move(arrival.object));
        done(status);
      });
}

bool FakeBlockStore::Put(std::vector<StoredObject> objects, PutOptions options) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    ++counts_.puts;
    if (plan_.put == How::kFails) return false;
    for (const StoredObject& object : objects) {
      ++counts_.put_kinds[object.key.kind];
      if (!seen_.emplace(object.key, true).second) ++counts_.puts_again;
    }
  }
  return store_->Put(std::move(objects), std::move(options));
}

void FakeBlockStore::Hint(ObjectKey leaf, StoreHint hint) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    counts_.hints.emplace_back(leaf, hint);
  }
  store_->Hint(leaf, hint);
}

}  // namespace coterie

// StoreFetch: what a store has of one context: looked up when its request arrives, fetched while it
// waits. The store's threads report here, the engine looks when it comes by.
//
//   looking ──► found ──► fetching ──► fetched ──► over
//      └──────────┴───────────┴──────────────────────▲     an error, too late, not worth it
//
// Objects are held as they came, outside of the cache; the engine decodes them when the sequence
// starts, or, if they were late, between two steps of its prompt. What arrives when it is over is
// let go.
//
// Thread-safe.
#ifndef COTERIE_ROUTER_KV_STORE_FETCH_H_
#define COTERIE_ROUTER_KV_STORE_FETCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kv_store/block_id.h"
#include "kv_store/client/block_store.h"
#include "router/kv/store_health.h"

namespace coterie {

// Tells whoever waits that something has come from a store. Outlives the one who listens.
class StoreBell {
 public:
  // Null: nobody listens any more; once this has returned, the former listener is not called again.
  void Listen(std::function<void()> listener) {
    std::lock_guard<std::mutex> lock(mu_);
    listener_ = std::move(listener);
  }
  void Ring() {
    std::lock_guard<std::mutex> lock(mu_);
    if (listener_) listener_();
  }

 private:
  std::mutex mu_;
  std::function<void()> listener_;
};

class StoreFetch : public std::enable_shared_from_this<StoreFetch> {
 public:
  enum class State { kLooking, kFound, kFetching, kFetched, kOver };

  struct Options {
    std::vector<BlockId> ids;  // [i]: of the context of the first i + 1 blocks
    uint8_t repr = 0;
    absl::Time began;
    absl::Duration prompt;    // what an answer may take of a store that is well
    absl::Duration patience;  // how long who could start waits for it
    bool probe = false;       // nobody waits for the answer
    std::shared_ptr<StoreBell> bell;
    std::shared_ptr<StoreHealth> health;
  };
  // Looks the context up.
  static std::shared_ptr<StoreFetch> Begin(BlockStore* store, Options options);

  // What is to be fetched, besides the record of the checkpoint.
  struct Wanted {
    std::vector<int64_t> globals, locals;  // blocks of the context
  };
  struct Order {
    Wanted wanted;
    int64_t num_tokens = 0;            // that need not be computed then
    std::shared_ptr<const void> room;  // let go when it is over
    absl::Time began;
    absl::Time hold_until;   // nobody waits longer for all of it
    absl::Duration silence;  // nor for the next object to come
    absl::Time deadline;     // then it is of no use any more
  };
  // Of kFound.
  void Get(BlockStore* store, Order order);
  // Nobody waits for it any more, and that has been counted; it may still be of use.
  void SetLate();
  bool is_late() const { return Read(late_); }
  // Nobody is interested any more: what is held is let go.
  void Drop();

  State state() const;
  // True once: the lookup has been answered, well.
  bool IsNews();
  // It will be: the answer has only just come.
  bool HasNews() const;
  const std::vector<BlockId>& ids() const { return options_.ids; }
  absl::Time began() const { return options_.began; }
  absl::Duration patience() const { return options_.patience; }
  bool probe() const { return options_.probe; }

  // In blocks. Of kFound: how far the global blocks go, and the deepest checkpoint within; 0: none.
  int64_t matched_blocks() const { return Read(matched_blocks_); }
  int64_t checkpoint_blocks() const { return Read(checkpoint_blocks_); }
  // The lookup was answered after so long. Of kFound and later.
  absl::Time found_at() const { return Read(found_at_); }

  // Of kFetching and later: when it began, when something came last, how much.
  absl::Time get_began() const { return Read(get_began_); }
  absl::Time last_news() const { return Read(last_news_); }
  int64_t num_bytes() const { return Read(num_bytes_); }
  int64_t num_tokens() const { return Read(num_tokens_); }
  // Of kOver: the store answered with an error, or not with what was asked for.
  bool failed() const { return Read(failed_); }
  // When it counts as late, unless something comes before.
  absl::Time HoldUntil() const;

  // Of kFetched.
  using Payload = std::shared_ptr<const std::string>;
  struct Fetched {
    Wanted wanted;
    std::vector<Payload> globals, locals;  // as wanted, none null
    Payload record;
  };
  // Moves it out: it is over then.
  Fetched Take();

 private:
  explicit StoreFetch(Options options) : options_(std::move(options)) {}

  template <typename T>
  T Read(const T& member) const {
    std::lock_guard<std::mutex> lock(mu_);
    return member;
  }
  ObjectKey Key(int64_t block, BlockKind kind) const {
    return {options_.ids[static_cast<size_t>(block)], kind, options_.repr};
  }
  std::vector<ObjectKey> LookupKeys() const;
  void Found(const absl::StatusOr<std::vector<bool>>& present);
  void Arrived(size_t index, StoredObject object);
  void Ended(const absl::Status& status);
  // Both require mu_.
  void Fail();
  void LetGo();

  const Options options_;
  mutable std::mutex mu_;  // guards what follows
  State state_ = State::kLooking;
  bool given_up_ = false;  // by the engine, or used
  bool seen_ = false;      // what was found
  bool late_ = false;
  bool failed_ = false;  // it was over because the store had failed
  int64_t matched_blocks_ = 0, checkpoint_blocks_ = 0;
  absl::Time found_at_ = absl::InfinitePast();
  absl::Time get_began_ = absl::InfinitePast(), last_news_ = absl::InfinitePast();
  absl::Time hold_until_ = absl::InfinitePast();
  absl::Duration silence_;
  Wanted wanted_;
  int64_t num_tokens_ = 0;
  std::shared_ptr<const void> room_;
  std::vector<ObjectKey> keys_;
  std::vector<Payload> payloads_;  // as keys_; null: not there
  size_t num_arrived_ = 0;
  int64_t num_bytes_ = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_STORE_FETCH_H_

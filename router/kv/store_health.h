// StoreHealth: whether a store is worth asking. After three failures in a row it is left alone for
// a first pause, then for twice that, up to half a minute. Then, where lookups had failed, one
// request asks without waiting for the answer, and when that came in time all ask again; where
// fetches had failed, the next one is tried, and one more failure is enough.
//
// Thread-safe. No clock of its own.
#ifndef COTERIE_ROUTER_KV_STORE_HEALTH_H_
#define COTERIE_ROUTER_KV_STORE_HEALTH_H_

#include <algorithm>
#include <mutex>

#include "absl/time/time.h"

namespace coterie {

class StoreHealth {
 public:
  static constexpr int kFailuresInARow = 3;
  static constexpr absl::Duration kPauseMax = absl::Seconds(30);

  explicit StoreHealth(absl::Duration first_pause) : first_pause_(first_pause) {}

  // A store may answer the one well and not the other.
  enum class Call { kLookup, kFetch };
  enum class Ask {
    kYes,
    kProbe,  // ask, but let nobody wait for it
    kNo,
  };

  Ask MayAsk(absl::Time now) {
    std::lock_guard<std::mutex> lock(mu_);
    for (const Record* record : {&lookups_, &fetches_}) {
      if (record->IsBad() && now < record->ask_again) return Ask::kNo;
    }
    if (fetches_.IsBad()) fetches_.failures = kFailuresInARow - 1;
    if (!lookups_.IsBad()) return Ask::kYes;
    Pause(&lookups_, now);  // until this one has been answered, or the pause is over
    return Ask::kProbe;
  }
  // It has answered as fast as it is expected to.
  void Answered(Call call) {
    std::lock_guard<std::mutex> lock(mu_);
    Of(call) = {};
  }
  // It has answered with an error, or not in time.
  void Failed(Call call, absl::Time now) {
    std::lock_guard<std::mutex> lock(mu_);
    Record& record = Of(call);
    if (record.IsBad()) return;
    ++record.failures;
    if (record.IsBad()) Pause(&record, now);
  }

 private:
  struct Record {
    int failures = 0;  // in a row
    absl::Duration last_pause;
    absl::Time ask_again = absl::InfinitePast();

    bool IsBad() const { return failures >= kFailuresInARow; }
  };
  void Pause(Record* record, absl::Time now) const {
    record->last_pause = std::max(first_pause_, std::min(record->last_pause * 2, kPauseMax));
    record->ask_again = now + record->last_pause;
  }
  // Requires mu_.
  Record& Of(Call call) { return call == Call::kLookup ? lookups_ : fetches_; }

  const absl::Duration first_pause_;
  std::mutex mu_;  // guards what follows
  Record lookups_, fetches_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_STORE_HEALTH_H_

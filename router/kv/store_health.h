// StoreHealth: whether a store is worth asking. After three failures in a row it is left alone for
// a second, then two, up to half a minute. Then, where lookups had failed, one request asks without
// waiting for the answer, and when that came in time all ask again; where fetches had failed, the
// next one is tried, and one more failure is enough.
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
  static constexpr absl::Duration kPauseMin = absl::Seconds(1), kPauseMax = absl::Seconds(30);

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
    lookups_.Pause(now);  // until this one has been answered, or the pause is over
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
    if (record.IsBad()) record.Pause(now);
  }

 private:
  struct Record {
    int failures = 0;  // in a row
    absl::Duration pause = kPauseMin;
    absl::Time ask_again = absl::InfinitePast();

    bool IsBad() const { return failures >= kFailuresInARow; }
    void Pause(absl::Time now) {
      ask_again = now + pause;
      pause = std::min(pause * 2, kPauseMax);
    }
  };
  // Requires mu_.
  Record& Of(Call call) { return call == Call::kLookup ? lookups_ : fetches_; }

  std::mutex mu_;  // guards what follows
  Record lookups_, fetches_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_STORE_HEALTH_H_

// FetchPolicy: whether what a store has of a context is fetched or computed again, and how long a
// sequence waits for it. Compares the time that the store is seen to take with the time that
// prompts are seen to take.
//
//   fetch   = round trip + bytes / bandwidth
//   compute = tokens / prefill speed
//
// What has not been measured yet is assumed. A measured bandwidth is trusted for a minute: a store
// that was slow once is tried again.
//
// Thread rule: owned by the engine's thread. No clock of its own.
#ifndef COTERIE_ROUTER_KV_FETCH_POLICY_H_
#define COTERIE_ROUTER_KV_FETCH_POLICY_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace coterie {

class FetchPolicy {
 public:
  struct Options {
    double bytes_per_second = 500e6;  // assumed
    double tokens_per_second = 200;   // of prefill; assumed
    absl::Duration round_trip = absl::Milliseconds(1);
    bool measure = true;  // false: what is assumed stays
    // A fetch is late when it takes so many times what was expected, and on top `slack` and a share
    // of what it saves, up to `slack_max`: a hiccup of some milliseconds is no reason to compute
    // for seconds.
    double late_factor = 2;
    absl::Duration slack = absl::Milliseconds(3);
    double slack_share = 0.05;
    absl::Duration slack_max = absl::Milliseconds(100);
  };
  struct Times {
    absl::Duration fetch;    // expected
    absl::Duration compute;  // what it saves, expected
    bool worth_it() const { return fetch < compute; }
  };

  explicit FetchPolicy(Options options)
      : options_(options),
        bytes_per_second_(options.bytes_per_second),
        tokens_per_second_(options.tokens_per_second) {}

  // Steps that computed prompts, and fetches that came to their end.
  void ObservePrefill(int64_t num_tokens, absl::Duration took) {
    if (num_tokens >= kPrefillTokensMin) Smooth(&tokens_per_second_, num_tokens, took);
  }
  void ObserveFetch(int64_t num_bytes, absl::Duration took, absl::Time now) {
    Smooth(&bytes_per_second_, num_bytes, std::max(took - options_.round_trip, took / 4));
    measured_ = now;
  }

  Times Compare(int64_t num_bytes, int64_t num_tokens, absl::Time now) const {
    return {
        options_.round_trip + absl::Seconds(static_cast<double>(num_bytes) / BytesPerSecond(now)),
        absl::Seconds(static_cast<double>(num_tokens) / tokens_per_second_)};
  }
  // How long it may take until all is there.
  absl::Duration FetchLimit(const Times& times) const {
    return std::min(times.compute, times.fetch * options_.late_factor) + Slack(times);
  }
  // How long it may take until the next object is there, of at most so many bytes.
  absl::Duration SilenceLimit(const Times& times, int64_t object_bytes, absl::Time now) const {
    return (options_.round_trip +
            absl::Seconds(static_cast<double>(object_bytes) / BytesPerSecond(now))) *
               options_.late_factor +
           Slack(times);
  }

  double tokens_per_second() const { return tokens_per_second_; }
  double BytesPerSecond(absl::Time now) const {
    return now - measured_ < kTrusted ? bytes_per_second_
                                      : std::max(bytes_per_second_, options_.bytes_per_second);
  }

 private:
  // Few rows say little of how fast many go.
  static constexpr int64_t kPrefillTokensMin = 16;
  static constexpr absl::Duration kTrusted = absl::Minutes(1);

  absl::Duration Slack(const Times& times) const {
    return options_.slack + std::min(times.compute * options_.slack_share, options_.slack_max);
  }
  void Smooth(double* rate, int64_t amount, absl::Duration took) const {
    if (!options_.measure || took <= absl::ZeroDuration()) return;
    *rate += 0.3 * (static_cast<double>(amount) / absl::ToDoubleSeconds(took) - *rate);
  }

  const Options options_;
  double bytes_per_second_, tokens_per_second_;
  absl::Time measured_ = absl::InfinitePast();
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_KV_FETCH_POLICY_H_

#include "router/journal/request_log.h"

#include <algorithm>
#include <string>

#include "ops/process/clock.h"

namespace coterie {
namespace {

// A journal grows by a token at a time and is written whole: of a long answer a share of 1/128 may
// be missing, so that what is written stays in proportion.
constexpr int64_t kUnwrittenShare = 128;

// How soon a store that did not take a request is given it again, and how seldom at last.
constexpr absl::Duration kAgainMin = absl::Milliseconds(250), kAgainMax = absl::Seconds(8);

}  // namespace

void RequestLog::Accepted(int64_t max_tokens) {
  journal_.set_max_tokens(max_tokens);
  {
    std::lock_guard<std::mutex> lock(mu_);
    posted_ = true;
  }
  if (const auto writer = writer_.lock()) writer->Post(shared_from_this(), true);
}

void RequestLog::Append(size_t choice, int32_t token) {
  {
    std::lock_guard<std::mutex> lock(mu_);
    tokens_.mutable_choices(static_cast<int>(choice))->add_ids(token);
    ++num_tokens_;
    ++num_unwritten_;
    if (posted_ || num_unwritten_ < 1 + num_tokens_ / kUnwrittenShare) return;
    posted_ = true;
  }
  if (const auto writer = writer_.lock()) writer->Post(shared_from_this(), false);
}

void RequestLog::Write(BlockStore* store, absl::Duration keep, JournalMetrics* metrics) {
  if (is_too_large_) return;
  const absl::Time now = MonotonicNow();
  // Again now and then, as it may be lost later and shall not end before the request; soon where
  // nobody has taken it.
  const bool puts_request =
      now - request_put_ >= keep / 4 || (request_lost_ && now - request_put_ >= again_);
  // It does not change any more, and may be long: the engine does not wait for it.
  std::string request, tokens;
  if (puts_request) request = journal_.SerializeAsString();
  {
    std::lock_guard<std::mutex> lock(mu_);
    posted_ = false;
    num_unwritten_ = 0;
    tokens = tokens_.SerializeAsString();
  }
  if (puts_request && request.size() > kJournalBytesMax) {
    // Without it the tokens are of no use.
    is_too_large_ = true;
    metrics->too_large.Increment();
    return;
  }
  // Later than what another router has written, whose clock may be ahead of this one.
  version_ = std::max(version_ + 1, static_cast<uint64_t>(absl::ToUnixNanos(now)));
  if (puts_request) {
    if (request_put_ == absl::InfinitePast()) metrics->begun.Increment();
    request_put_ = now;
    metrics->written_bytes.Increment(static_cast<double>(request.size()));
    // A store that is away is not to be worked at.
    again_ = request_lost_.exchange(false) ? std::min(2 * again_, kAgainMax) : kAgainMin;
    store->PutJournal(names_.request, version_, std::move(request), keep,
                      [self = shared_from_this()](bool kept) {
                        if (!kept) self->request_lost_ = true;
                      });
  }
  if (tokens.size() > kJournalBytesMax) return;  // what was written last is of use all the same
  metrics->written_bytes.Increment(static_cast<double>(tokens.size()));
  store->PutJournal(names_.tokens, version_, std::move(tokens), keep, nullptr);
}

}  // namespace coterie

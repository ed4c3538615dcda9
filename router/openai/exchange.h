// Exchange: a request that is being answered: deltas from its answers, in the words of its
// endpoint, to its sink.
//
// Owned by the thread that owns the connection, which calls everything here. Destroying it cancels
// what is not finished: a client who has gone costs nothing more.
#ifndef COTERIE_ROUTER_OPENAI_EXCHANGE_H_
#define COTERIE_ROUTER_OPENAI_EXCHANGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "router/frontend/answer.h"
#include "router/openai/api_error.h"
#include "router/openai/reply_sink.h"
#include "router/openai/reply_writer.h"

namespace coterie {

class Exchange {
 public:
  struct Options {
    std::vector<std::unique_ptr<Answer>> answers;  // of each prompt, in order; at least one
    int64_t choices_per_answer = 1;
    std::unique_ptr<ReplyWriter> writer;
    bool stream = false;
    HttpHeaders headers;                                     // of the reply
    std::function<std::string(const ApiError&)> error_json;  // when the reply is an error
    std::function<absl::Time()> now;
  };

  // `sink` is not owned, outlives this. May write at once.
  Exchange(Options options, ReplySink* sink);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Writes what has come. After Wake, and when a full sink has room again.
  void Continue();
  // Says that the server is alive when nothing has been written for kQuietMax; for a timer of the
  // transport. A stream whose first token has not come yet begins: a long queue costs the HTTP
  // status of an error, but no proxy's patience.
  void KeepAlive();

  // The reply has ended; this can go.
  bool done() const { return done_; }

  static constexpr absl::Duration kQuietMax = absl::Seconds(10);

 private:
  void Take(size_t answer, AnswerDelta delta);
  void Write(std::string events);
  void BeginStream();
  void Fail(const absl::Status& status);
  AnswerUsage Usage() const;
  bool AllDone() const;

  Options options_;
  ReplySink* const sink_;
  bool has_begun_ = false;
  bool done_ = false;
  absl::Time last_write_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_EXCHANGE_H_

// ReplyWriter: an answer, delta by delta, in the words of one endpoint: as a stream of events, or
// whole.
//
//   send(writer->Begin(usage));                    // a stream's first events; empty otherwise
//   for (delta : deltas) send(writer->Add(delta)); // likewise
//   send(writer->Finish(usage));                   // a stream's last events, or the whole reply
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_OPENAI_REPLY_WRITER_H_
#define COTERIE_ROUTER_OPENAI_REPLY_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "router/frontend/answer.h"
#include "router/openai/api_error.h"
#include "router/openai/sse.h"

namespace coterie {

// What every event of a reply repeats.
struct ReplyStamp {
  std::string token;        // letters and digits that no other reply has; ids are made of it
  int64_t created = 0;      // seconds since 1970
  std::string model;        // as the reply names it
  std::string fingerprint;  // of the weights and the way they are served
};

class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;

  // `usage` is what is known so far.
  virtual std::string Begin(const AnswerUsage& usage) = 0;
  // A delta whose status is ok. Its choice is the reply's.
  virtual std::string Add(const AnswerDelta& delta) = 0;
  virtual std::string Finish(const AnswerUsage& usage) = 0;
  // In place of Finish: how the client of a stream that has begun is told.
  virtual std::string Fail(const ApiError& error) = 0;
  // Says nothing, in a stream that has nothing to say.
  virtual std::string KeepAlive() { return std::string(kSseComment); }
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_REPLY_WRITER_H_

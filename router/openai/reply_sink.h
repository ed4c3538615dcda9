// ReplySink: where one reply goes; the transport's side of an exchange.
//
// Either Send once, or BeginEvents, any number of Write, End. Afterwards nothing.
#ifndef COTERIE_ROUTER_OPENAI_REPLY_SINK_H_
#define COTERIE_ROUTER_OPENAI_REPLY_SINK_H_

#include <string>
#include <utility>
#include <vector>

namespace coterie {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// A reply that is known whole.
struct WholeReply {
  int status = 200;
  std::string content_type = "application/json";  // empty: there is no body
  HttpHeaders headers;                            // others than Content-Type and Content-Length
  std::string body;
};

// Called by the thread that owns the connection, except Wake.
class ReplySink {
 public:
  virtual ~ReplySink() = default;

  // The transport leaves out the body of a reply to HEAD.
  virtual void Send(WholeReply reply) = 0;
  // 200 and text/event-stream; `headers` are the others.
  virtual void BeginEvents(HttpHeaders headers) = 0;
  // Whole events, as bytes.
  virtual void Write(std::string events) = 0;
  virtual void End() = 0;
  // The client is slower than the model: nothing more is written until Exchange::Continue is called
  // again, once it has caught up.
  virtual bool full() const { return false; }

  // By any thread, quick: Exchange::Continue is to be called by the thread that owns the
  // connection, soon and once, however often Wake was called before.
  virtual void Wake() = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_REPLY_SINK_H_

// HttpReply: the answer to one request, given whole or as a stream, now or later.
//
//   reply->Send({.content_type = "application/json"}, body);
//
//   reply->OnClosed([request_id] { Cancel(request_id); });
//   reply->BeginStream({.content_type = "text/event-stream"});
//   …any thread: reply->Write(event);
//   reply->EndStream();
//
// Guarantees: no call blocks, whatever the client does. What is written and not yet taken by the
// client is bounded: a client that lets more than `stream_buffer_bytes` gather, or takes nothing
// for `write_timeout`, is dropped. Of an answer let go of before Send or BeginStream the client
// gets a 500; a stream let go of before EndStream is cut, and the client can see that it is not
// whole.
//
// A client that closes its side while it waits (also by half: shutdown(SHUT_WR)) is taken for gone,
// as nginx and Go do: nothing else tells a close apart before the next write. An answer that was
// already complete still reaches it.
//
// Thread-safe. Calls return false, and do nothing, once the client is gone or the answer has ended.
#ifndef COTERIE_ROUTER_HTTP_HTTP_REPLY_H_
#define COTERIE_ROUTER_HTTP_HTTP_REPLY_H_

#include <cstddef>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "router/http/http_request.h"

namespace coterie {

struct ReplyHead {
  int status = 200;
  std::string content_type;  // empty: none
  // Beside Date, Content-Length, Transfer-Encoding and Connection, which are the server's. Control
  // characters in them become spaces.
  HttpHeaders headers;
};

class HttpReply {
 public:
  virtual ~HttpReply() = default;

  // The whole answer. To HEAD only its head is sent.
  virtual bool Send(const ReplyHead& head, absl::string_view body) = 0;

  // A stream: chunked, or to HTTP/1.0 until the connection closes. The head is sent at once. An
  // empty Write does nothing.
  virtual bool BeginStream(const ReplyHead& head) = 0;
  virtual bool Write(absl::string_view bytes) = 0;
  virtual bool EndStream() = 0;

  // Calls `closed` once, on the connection's thread, if the client goes or is dropped before the
  // answer has ended; at once, in this thread, when that has happened already. Never after Send or
  // EndStream, which let go of it. A `closed` that holds the reply keeps it from being let go of.
  virtual void OnClosed(std::function<void()> closed) = 0;

  // Runs `work` on a thread of the server, never two of one connection at a time and in the order
  // of the calls. False, and `work` is dropped, when the connection has closed; `work` that was
  // posted before it closes still runs, perhaps after `closed`.
  virtual bool Post(std::function<void()> work) = 0;

  // Written and not yet taken by the kernel.
  virtual size_t buffered_bytes() const = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_REPLY_H_

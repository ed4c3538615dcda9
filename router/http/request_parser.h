// RequestParser: bytes of a connection → requests, one after the other, without a socket.
//
//   parser.Feed(bytes);
//   if (parser.state() == RequestParser::State::kDone) {
//     Handle(parser.TakeRequest());
//     …answered: parser.Next();  // what came meanwhile was kept
//   }
//
// Guarantees: keeps at most one request within its limits, and what was fed beyond it; the result
// does not depend on how the bytes are cut. After kFailed the connection is beyond repair: where
// the next request would begin is not known.
//
// Refused beside what the grammar refuses: lengths that can be read two ways (both Content-Length
// and Transfer-Encoding, either one twice, a coding that is not `chunked`), no or two Hosts, and
// what HeadScanner finds. Trailers of a chunked body are read and dropped.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_HTTP_REQUEST_PARSER_H_
#define COTERIE_ROUTER_HTTP_REQUEST_PARSER_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "router/http/head_scanner.h"
#include "router/http/http_error.h"
#include "router/http/http_options.h"
#include "router/http/http_request.h"

namespace coterie {

class MessageParser;

class RequestParser {
 public:
  enum class State { kHead, kBody, kDone, kFailed };

  explicit RequestParser(const HttpLimits& limits);
  ~RequestParser();

  void Feed(absl::string_view bytes);
  State state() const { return state_; }

  // Of kHead: nothing of the request has come.
  bool empty() const { return buffer_.empty(); }
  // Bytes that wait to be read: the next request's, once this one is done.
  size_t kept_bytes() const { return buffer_.size(); }
  // Of kBody: the client waits for `100 Continue`, and has sent nothing of the body.
  bool expects_continue() const;
  // Of kBody: what has come of it.
  size_t body_bytes() const;
  // Of kDone: the client would use the connection again.
  bool keep_alive() const { return keep_alive_; }
  // Of kFailed.
  const HttpError& error() const { return error_; }

  // Of kDone, once. Its peer is left empty.
  HttpRequest TakeRequest();
  // Of kDone: goes on to the next request.
  void Next();
  // Lets go of everything; only state() may be called from here on.
  void Release();

 private:
  void Parse();
  bool ParseHead();
  void ParseBody();
  void Fail(HttpError error);
  void Consume(size_t num_bytes);

  const HttpLimits limits_;
  State state_ = State::kHead;
  std::string buffer_;
  HeadScanner scanner_;
  std::unique_ptr<MessageParser> message_;  // from the complete head on
  HttpError error_;
  bool keep_alive_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_REQUEST_PARSER_H_

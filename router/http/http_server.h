// HttpServer: an HTTP/1.1 server whose answers may be streams, thousands of them on a few threads.
//
//   ASSIGN_OR_RETURN(auto server, HttpServer::Start({.port = 8000}, &handler));
//   …
//   server->Stop(MonotonicNow() + absl::Seconds(30));
//
// It knows requests and answers and nothing of what they mean. Malformed and over-long requests,
// and those that come too slowly, it answers itself, with an error as OpenAI's clients read it.
// HTTP/1.0 is served one request a connection. Pipelined requests are answered in their order, one
// at a time. `Expect: 100-continue` is answered when the length is within the limit.
//
// Thread-safe; Stop is called once, before the destructor.
#ifndef COTERIE_ROUTER_HTTP_HTTP_SERVER_H_
#define COTERIE_ROUTER_HTTP_HTTP_SERVER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "router/http/http_handler.h"
#include "router/http/http_observer.h"
#include "router/http/http_options.h"

namespace coterie {

class HttpServer {
 public:
  // Accepts connections. `handler`, and `observer` if there is one, outlive Stop. InvalidArgument
  // when the address is not one, Unavailable when the port is taken.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           HttpHandler* handler,
                                                           HttpObserver* observer = nullptr);
  ~HttpServer();

  int port() const;
  int64_t num_connections() const;

  // Accepts no more connections, closes those that are idle, lets requests under way be answered
  // until `deadline`, cuts the rest, and joins its threads. Replies that are still held from here
  // on do nothing.
  void Stop(absl::Time deadline);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_SERVER_H_

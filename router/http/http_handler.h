// HttpHandler: who answers the requests of an HttpServer.
#ifndef COTERIE_ROUTER_HTTP_HTTP_HANDLER_H_
#define COTERIE_ROUTER_HTTP_HTTP_HANDLER_H_

#include <memory>

#include "router/http/http_reply.h"
#include "router/http/http_request.h"

namespace coterie {

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // Called by the server's threads, several at once, one request of a connection at a time. Must be
  // quick and not throw: the other connections of that thread wait meanwhile. Answers through
  // `reply`, now or later, from any thread.
  virtual void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) = 0;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_HANDLER_H_

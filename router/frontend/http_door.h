// HttpDoor: the front door by HTTP: joins the transport (router/http) to the endpoints
// (router/openai).
//
// A request for tokens is read by a ReaderPool, so that a long prompt does not hold up the streams
// of the transport's threads; pages are answered at once. From then on everything of a request
// happens on its connection's thread.
//
// Thread-safe: the transport calls it from its own threads.
#ifndef COTERIE_ROUTER_FRONTEND_HTTP_DOOR_H_
#define COTERIE_ROUTER_FRONTEND_HTTP_DOOR_H_

#include <memory>
#include <mutex>
#include <vector>

#include "router/frontend/pump.h"
#include "router/frontend/reader_pool.h"
#include "router/http/http_handler.h"
#include "router/openai/api.h"

namespace coterie {

class HttpExchange;

class HttpDoor final : public HttpHandler {
 public:
  // readers: not owned, outlives this.
  HttpDoor(Api::Options options, ReaderPool* readers);
  // Waits for what is being read. The transport has stopped.
  ~HttpDoor() override;

  void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) override;

 private:
  void Tick();

  const Api api_;
  ReaderPool* const readers_;
  std::mutex mu_;  // guards exchanges_
  std::vector<std::weak_ptr<HttpExchange>> exchanges_;
  Pump ticker_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_HTTP_DOOR_H_

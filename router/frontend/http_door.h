// HttpDoor: the front door by HTTP: joins the transport (router/http) to the endpoints
// (router/openai).
//
// A request is read, rendered and tokenised by a thread of its own kind, so that a long prompt does
// not hold up the streams of the transport's threads. From then on everything of a request happens
// on its connection's thread.
//
// Thread-safe: the transport calls it from its own threads.
#ifndef COTERIE_ROUTER_FRONTEND_HTTP_DOOR_H_
#define COTERIE_ROUTER_FRONTEND_HTTP_DOOR_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "router/frontend/pump.h"
#include "router/http/http_handler.h"
#include "router/openai/api.h"

namespace coterie {

class HttpExchange;

class HttpDoor final : public HttpHandler {
 public:
  explicit HttpDoor(Api::Options options);
  // The transport has stopped.
  ~HttpDoor() override;

  void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) override;

 private:
  void Tick();

  const Api api_;
  std::mutex mu_;  // guards exchanges_
  std::vector<std::weak_ptr<HttpExchange>> exchanges_;
  Pump ticker_;
  Pump readers_[2];  // one may be busy with a book
  std::atomic<unsigned> next_reader_{0};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_HTTP_DOOR_H_

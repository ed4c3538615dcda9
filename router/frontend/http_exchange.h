// HttpExchange: one request of the HTTP door while it is answered: an Exchange of router/openai
// over a reply of router/http.
#ifndef COTERIE_ROUTER_FRONTEND_HTTP_EXCHANGE_H_
#define COTERIE_ROUTER_FRONTEND_HTTP_EXCHANGE_H_

#include <atomic>
#include <memory>
#include <string>

#include "router/http/http_reply.h"
#include "router/openai/api.h"

namespace coterie {

// Handle runs on any thread; from its end on, the connection's thread owns what is inside.
class HttpExchange final : public ReplySink, public std::enable_shared_from_this<HttpExchange> {
 public:
  explicit HttpExchange(std::shared_ptr<HttpReply> reply) : reply_(std::move(reply)) {}

  // Once. The exchange lives until its reply has ended or the client has gone.
  void Handle(const Api& api, const ApiRequest& request);
  // Any thread, now and then: goes on with a client that was slow, and keeps quiet streams alive.
  void Tick();

  void Send(WholeReply reply) override;
  void BeginEvents(HttpHeaders headers) override;
  void Write(std::string events) override;
  void End() override;
  bool full() const override;
  void Wake() override;

 private:
  // On the connection's thread.
  void Continue();
  void Drop();

  const std::shared_ptr<HttpReply> reply_;
  std::unique_ptr<Exchange> exchange_;
  std::atomic<bool> wake_posted_{false};
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_HTTP_EXCHANGE_H_

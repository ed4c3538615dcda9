// ConnectionReply: the handle by which a handler answers one request of a connection.
#ifndef COTERIE_ROUTER_HTTP_CONNECTION_REPLY_H_
#define COTERIE_ROUTER_HTTP_CONNECTION_REPLY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "router/http/connection.h"
#include "router/http/http_error.h"
#include "router/http/http_reply.h"

namespace coterie {

// Thread-safe.
class ConnectionReply final : public HttpReply {
 public:
  ConnectionReply(std::shared_ptr<Connection> connection, uint64_t ticket)
      : connection_(std::move(connection)), ticket_(ticket) {}

  ~ConnectionReply() override {
    if (outgoing().Abandon(ticket_)) {
      ConnectionReply::Send({.status = 500, .content_type = "application/json"},
                            ErrorBody({500, "the request was not answered"}));
    }
  }

  bool Send(const ReplyHead& head, absl::string_view body) override {
    return Observe(outgoing().Send(ticket_, head, body), head);
  }
  bool BeginStream(const ReplyHead& head) override {
    return Observe(outgoing().Begin(ticket_, head), head);
  }
  bool Write(absl::string_view bytes) override { return outgoing().Write(ticket_, bytes); }
  bool EndStream() override { return outgoing().End(ticket_); }
  void OnClosed(std::function<void()> closed) override {
    outgoing().OnClosed(ticket_, std::move(closed));
  }
  bool Post(std::function<void()> work) override { return connection_->Post(std::move(work)); }
  size_t buffered_bytes() const override { return outgoing().buffered_bytes(ticket_); }

 private:
  Outgoing& outgoing() const { return connection_->outgoing(); }
  bool Observe(bool begun, const ReplyHead& head) {
    if (begun) connection_->observer().Answered(head.status);
    return begun;
  }

  const std::shared_ptr<Connection> connection_;
  const uint64_t ticket_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_CONNECTION_REPLY_H_

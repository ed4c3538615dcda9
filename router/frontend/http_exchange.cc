#include "router/frontend/http_exchange.h"

#include <utility>

namespace coterie {
namespace {

// A client that is so far behind gets nothing more until it has caught up. What it may miss is kept
// as tokens, which the request bounds.
constexpr size_t kFullBytes = 256 << 10;

}  // namespace

void HttpExchange::Handle(const Api& api, const ApiRequest& request) {
  const auto self = shared_from_this();
  std::unique_ptr<Exchange> exchange = api.Handle(request, this);
  if (exchange == nullptr) return;
  // A client that has gone already leaves the exchange to be destroyed here, which cancels.
  const auto shared = std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
  reply_->Post([self, shared] {
    self->exchange_ = std::move(*shared);
    self->reply_->OnClosed([self] { self->Drop(); });
    // What came before there was an exchange to wake.
    self->Continue();
  });
}

void HttpExchange::Wake() {
  if (wake_posted_.exchange(true)) return;
  reply_->Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Continue();
  });
}

void HttpExchange::Continue() {
  wake_posted_ = false;
  if (exchange_ == nullptr) return;
  exchange_->Continue();
  if (exchange_->done()) Drop();
}

void HttpExchange::Tick() {
  reply_->Post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || self->exchange_ == nullptr) return;
    self->exchange_->KeepAlive();
    self->Continue();
  });
}

void HttpExchange::Drop() { exchange_.reset(); }

void HttpExchange::Send(WholeReply reply) {
  reply_->Send({.status = reply.status,
                .content_type = std::move(reply.content_type),
                .headers = std::move(reply.headers)},
               reply.body);
}

void HttpExchange::BeginEvents(HttpHeaders headers) {
  headers.emplace_back("Cache-Control", "no-cache");
  // nginx would gather a stream before it passes it on.
  headers.emplace_back("X-Accel-Buffering", "no");
  reply_->BeginStream({.content_type = "text/event-stream", .headers = std::move(headers)});
}

void HttpExchange::Write(std::string events) { reply_->Write(events); }

void HttpExchange::End() { reply_->EndStream(); }

bool HttpExchange::full() const { return reply_->buffered_bytes() > kFullBytes; }

}  // namespace coterie

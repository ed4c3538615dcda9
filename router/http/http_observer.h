// HttpObserver: told what an HttpServer does, for metrics.
#ifndef COTERIE_ROUTER_HTTP_HTTP_OBSERVER_H_
#define COTERIE_ROUTER_HTTP_HTTP_OBSERVER_H_

#include <cstdint>

namespace coterie {

// Called by the server's threads, several at once; must be quick. What is not overridden is not
// wanted.
class HttpObserver {
 public:
  virtual ~HttpObserver() = default;

  virtual void ConnectionsOpen(int64_t /*num_open*/) {}
  // The head of an answer was given: the handler's, or the server's own to what it refused.
  virtual void Answered(int /*status*/) {}
  virtual void BytesSent(int64_t /*num_bytes*/) {}
  // The client took too little for too long.
  virtual void SlowReaderDropped() {}
  // The client went before its answer had ended.
  virtual void ClientGone() {}
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_OBSERVER_H_

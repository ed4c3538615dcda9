// ServerContext: what the connections of a server share.
//
// A reply that somebody still holds keeps it alive after the server is gone; no thread runs it
// then.
#ifndef COTERIE_ROUTER_HTTP_SERVER_CONTEXT_H_
#define COTERIE_ROUTER_HTTP_SERVER_CONTEXT_H_

#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstdint>

#include "router/http/connection_set.h"
#include "router/http/http_handler.h"
#include "router/http/http_observer.h"
#include "router/http/http_options.h"

namespace coterie {

// Known to the compiler, where asio's own names hide them behind virtual calls.
using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;
using Timer =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, Strand>;

struct ServerContext {
  ServerContext(HttpServerOptions o, HttpHandler* h, HttpObserver* m)
      : options(std::move(o)), handler(h), observer(m), io(options.num_threads) {}

  const HttpServerOptions options;
  HttpHandler* const handler;    // not owned; not called once the server has stopped
  HttpObserver* const observer;  // likewise
  boost::asio::io_context io;
  ConnectionSet connections;
  std::atomic<bool> stopping = false;
  std::atomic<int64_t> body_bytes = 0;  // of bodies under way
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_SERVER_CONTEXT_H_

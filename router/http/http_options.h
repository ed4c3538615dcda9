// What an HttpServer allows its clients. Everything has a bound: bytes, lines, connections, time.
#ifndef COTERIE_ROUTER_HTTP_HTTP_OPTIONS_H_
#define COTERIE_ROUTER_HTTP_HTTP_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace coterie {

// Of one request.
struct HttpLimits {
  size_t head_bytes = 16 << 10;   // request line and headers; beyond: 431
  size_t num_headers = 100;       // beyond: 431
  size_t target_bytes = 8 << 10;  // beyond: 414
  size_t body_bytes = 32 << 20;   // after the chunks are joined; beyond: 413
};

struct HttpServerOptions {
  std::string listen_address = "127.0.0.1";  // of IPv4 or IPv6
  int port = 0;                              // 0 takes a free one
  int num_threads = 2;                       // for all connections together
  HttpLimits limits;

  // From the first byte of a request (of the first request: from the connection) to its empty line;
  // beyond: 408.
  absl::Duration head_timeout = absl::Seconds(10);
  // A body must have come `body_timeout` after its head, and gets a second more for each
  // `body_bytes_per_second` that came: a slow line ends in time, a trickle does not hold us.
  absl::Duration body_timeout = absl::Seconds(30);
  int64_t body_bytes_per_second = 16 << 10;
  // Between the end of an answer and the next request; beyond: closed.
  absl::Duration idle_timeout = absl::Seconds(75);
  // Nothing was taken of what waits to be sent; beyond: dropped.
  absl::Duration write_timeout = absl::Seconds(30);
  // After the last answer on a connection we wait as long for the client to close it, reading what
  // it still sends: closing at once would tear the answer out of its hands.
  absl::Duration linger_timeout = absl::Seconds(2);

  // Open connections; one more is answered 503, and far more are closed unanswered.
  int64_t connections_max = 16384;
  // Bodies under way of all connections; beyond: 503.
  int64_t body_bytes_total = int64_t{1} << 30;
  // Of a stream, written but not yet taken by the client; beyond: dropped. The kernel holds up to
  // 64 KiB beside it.
  size_t stream_buffer_bytes = 1 << 20;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_OPTIONS_H_

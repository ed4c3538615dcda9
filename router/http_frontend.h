// HttpFrontend: the HTTP server of a router, from its port to its Completions.
#ifndef COTERIE_ROUTER_HTTP_FRONTEND_H_
#define COTERIE_ROUTER_HTTP_FRONTEND_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "router/frontend/http_door.h"
#include "router/http/http_server.h"
#include "router/router_stack.h"

namespace coterie {

class HttpMetrics;

class HttpFrontend {
 public:
  struct Options {
    HttpServerOptions server;
    std::vector<std::string> model_names;  // what /v1/models lists; at least one
    bool default_thinking = false;
    bool allow_all_origins = false;
    absl::Duration request_timeout = absl::Hours(1);
    std::function<std::string()> metrics_text;  // of /metrics; may be missing
  };
  // stack: not owned, outlives this. Registers its metrics in `registry`. Unavailable when the port
  // is taken.
  static absl::StatusOr<std::unique_ptr<HttpFrontend>> Start(Options options, RouterStack* stack,
                                                             prometheus::Registry& registry);
  ~HttpFrontend();  // Stop must have been called

  int port() const { return server_->port(); }
  // Lets requests under way be answered until `deadline`.
  void Stop(absl::Time deadline) { server_->Stop(deadline); }

 private:
  HttpFrontend() = default;

  std::unique_ptr<HttpMetrics> metrics_;
  std::unique_ptr<HttpDoor> door_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_FRONTEND_H_

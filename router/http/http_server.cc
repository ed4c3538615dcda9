#include "router/http/http_server.h"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "ops/process/log.h"
#include "router/http/connection.h"
#include "router/http/server_context.h"

namespace coterie {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Strand>;

constexpr int kBacklog = 4096;
// Connections beyond the limit that are told so at one time; further ones are closed unanswered.
constexpr int64_t kRefusedMax = 64;
// Without a free file descriptor accept fails at once, for as long as there is none.
constexpr auto kAcceptPause = std::chrono::milliseconds(50);

absl::Status Failed(absl::string_view what, const HttpServerOptions& options,
                    const error_code& ec) {
  return absl::UnavailableError(absl::StrCat("cannot ", what, " ", options.listen_address, ":",
                                             options.port, ": ", ec.message()));
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(std::shared_ptr<ServerContext> context)
      : context_(std::move(context)),
        acceptor_(asio::make_strand(context_->io)),
        pause_(acceptor_.get_executor()) {}
  ~Impl() { CHECK(threads_.empty()) << "Stop was not called"; }

  absl::Status Listen() {
    const HttpServerOptions& options = context_->options;
    error_code ec;
    const auto address = asio::ip::make_address(options.listen_address, ec);
    if (ec || options.port < 0 || options.port > 65535) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.listen_address, ":", options.port, " is not an address and a port"));
    }
    const asio::ip::tcp::endpoint endpoint(address, static_cast<unsigned short>(options.port));
    acceptor_.open(endpoint.protocol(), ec);
    if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor_.bind(endpoint, ec);
    if (!ec) acceptor_.listen(kBacklog, ec);
    if (!ec) port_ = acceptor_.local_endpoint(ec).port();
    return ec ? Failed("listen on", options, ec) : absl::OkStatus();
  }

  void Run() {
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    for (int i = 0; i < context_->options.num_threads; ++i)
      threads_.emplace_back([context = context_] { context->io.run(); });
  }

  void Stop(absl::Time deadline) {
    CHECK(!context_->stopping.exchange(true)) << "Stop was called twice";
    asio::post(acceptor_.get_executor(), [this] {
      error_code ec;
      acceptor_.close(ec);
      pause_.cancel(ec);
    });
    // One that is accepted meanwhile sees `stopping` for itself.
    for (const auto& connection : context_->connections.All()) connection->Stop();
    context_->connections.AwaitEmpty(deadline);
    for (const auto& connection : context_->connections.All()) connection->Abort();
    // The threads end when nothing is left to wait for.
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  int port() const { return port_; }
  int64_t num_connections() const { return context_->connections.size(); }

 private:
  void Accept() {
    if (context_->stopping) return;
    acceptor_.async_accept(asio::make_strand(context_->io), [this](error_code ec, Socket socket) {
      if (context_->stopping) return;
      if (ec) return OnAcceptFailed(ec);
      accept_fails_ = false;
      Admit(std::move(socket));
      Accept();
    });
  }

  void Admit(Socket socket) {
    const int64_t excess = context_->connections.size() - context_->options.connections_max;
    if (excess >= kRefusedMax) return;  // closes it
    auto connection = std::make_shared<Connection>(context_, std::move(socket));
    excess < 0 ? connection->Open() : connection->OpenToRefuse();
  }

  void OnAcceptFailed(const error_code& ec) {
    if (ec == asio::error::connection_aborted) return Accept();
    if (!std::exchange(accept_fails_, true))
      LogWarning("connections are not accepted", {{"error", ec.message()}});
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code) { Accept(); });
  }

  const std::shared_ptr<ServerContext> context_;
  Acceptor acceptor_;
  Timer pause_;
  bool accept_fails_ = false;  // since the last connection; on the acceptor's strand
  int port_ = 0;
  std::vector<std::thread> threads_;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              HttpHandler* handler,
                                                              HttpObserver* observer) {
  static HttpObserver* const nobody = new HttpObserver;
  auto impl = std::make_unique<Impl>(
      std::make_shared<ServerContext>(options, handler, observer == nullptr ? nobody : observer));
  RETURN_IF_ERROR(impl->Listen());
  impl->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return impl_->port(); }
int64_t HttpServer::num_connections() const { return impl_->num_connections(); }
void HttpServer::Stop(absl::Time deadline) { impl_->Stop(deadline); }

}  // namespace coterie

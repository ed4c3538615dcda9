// TestServer: an HttpServer whose handler is a function, and what its observer saw.
#ifndef COTERIE_TESTS_ROUTER_HTTP_TEST_SERVER_H_
#define COTERIE_TESTS_ROUTER_HTTP_TEST_SERVER_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kernels/check.h"
#include "router/http/http_server.h"

namespace coterie {

// Thread-safe.
class TestServer : public HttpHandler, public HttpObserver {
 public:
  using Function = std::function<void(HttpRequest, std::shared_ptr<HttpReply>)>;

  explicit TestServer(Function function, const HttpServerOptions& options = {})
      : function_(std::move(function)) {
    auto server = HttpServer::Start(options, this, this);
    CHECK(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  ~TestServer() override {
    if (!stopped_) Stop(absl::ZeroDuration());
  }

  void Stop(absl::Duration patience) {
    stopped_ = true;
    server_->Stop(absl::Now() + patience);
  }
  int port() const { return server_->port(); }
  HttpServer& server() { return *server_; }

  int answered(int status) const {
    std::lock_guard lock(mu_);
    const auto found = answered_.find(status);
    return found == answered_.end() ? 0 : found->second;
  }
  int slow_readers() const { return slow_readers_; }
  int clients_gone() const { return clients_gone_; }
  int64_t bytes_sent() const { return bytes_sent_; }
  int64_t open() const { return open_; }

 private:
  void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) override {
    function_(std::move(request), std::move(reply));
  }
  void ConnectionsOpen(int64_t num_open) override { open_ = num_open; }
  void Answered(int status) override {
    std::lock_guard lock(mu_);
    ++answered_[status];
  }
  void BytesSent(int64_t num_bytes) override { bytes_sent_ += num_bytes; }
  void SlowReaderDropped() override { ++slow_readers_; }
  void ClientGone() override { ++clients_gone_; }

  const Function function_;
  std::atomic<int> slow_readers_ = 0, clients_gone_ = 0;
  std::atomic<int64_t> bytes_sent_ = 0, open_ = 0;
  mutable std::mutex mu_;
  std::map<int, int> answered_;  // guarded by mu_
  std::unique_ptr<HttpServer> server_;
  bool stopped_ = false;
};

inline bool UnderSanitizer() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

// Waits, looking again and again, for what other threads bring about; false after 20 s.
template <typename Condition>
bool Eventually(Condition condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_HTTP_TEST_SERVER_H_

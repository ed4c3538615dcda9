// What the HTTP server adds to an event on its way from Write() to the client.
//
// Method: N streams over loopback, all in this process. Every --interval one thread writes an event
// to each of them, in one burst as a decode step does; one client thread reads them all and counts
// from the beginning of the burst, which stands in the event. The floor is the same with nothing
// between: the writing thread calls send() on plain connections. The difference is what we add: the
// event is put in a buffer under a lock, an I/O thread is woken, frames were added, and that thread
// calls send().
//
// The best possible. A burst of N events costs N sends and N reads, a microsecond or two each, on
// whatever cores there are: with 1000 streams the last event of a burst comes some milliseconds
// after the first on the floor as well, and the median is half a burst. Memory is that of the
// process when the streams are open, without the kernel's; the client's side is a few bytes.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kernels/check.h"
#include "ops/process/flags.h"
#include "router/http/http_server.h"
#include "router/openai/sse.h"
#include "tests/router/http/http_client.h"

ABSL_FLAG(std::vector<std::string>, streams, (std::vector<std::string>{"1", "100", "1000"}),
          "Streams that are open together.");
ABSL_FLAG(int, io_threads, 2, "Of the server.");
ABSL_FLAG(absl::Duration, interval, absl::Milliseconds(20), "From burst to burst.");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(5), "Of each measurement, after warming up.");

namespace coterie {
namespace {

constexpr absl::string_view kMark = "\"t\":";
constexpr size_t kTimeDigits = 20;

int64_t NowNanos() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// About as long as a delta of a chat.
std::string Event(int64_t nanos) {
  return SseData(absl::StrCat("{\"pad\":\"", std::string(180, 'x'), "\",", kMark,
                              absl::StrFormat("%020d", nanos), "}"));
}

int64_t ProcessStatus(absl::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, absl::StrCat(name, ":"))) return std::stoll(std::string(rest));
  }
  return 0;
}

// Reads all clients' sockets on a thread of its own; keeps how old each event was.
class Reader {
 public:
  explicit Reader(std::vector<HttpClient> clients) : clients_(std::move(clients)) {
    tails_.resize(clients_.size());
    for (size_t i = 0; i < clients_.size(); ++i) {
      epoll_event event = {.events = EPOLLIN, .data = {.u64 = i}};
      CHECK_EQ(epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_[i].fd(), &event), 0);
    }
    thread_ = std::thread([this] { Run(); });
  }
  ~Reader() {
    Stop();
    close(epoll_);
  }

  void StartMeasuring() { measuring_ = true; }
  std::vector<int64_t> Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return std::move(ages_);
  }

 private:
  void Run() {
    epoll_event events[64];
    while (!stopping_) {
      const int num_events = epoll_wait(epoll_, events, 64, 10);
      for (int e = 0; e < num_events; ++e) Receive(events[e].data.u64);
    }
  }

  void Receive(size_t client) {
    char buffer[4096];
    const ssize_t received = recv(clients_[client].fd(), buffer, sizeof(buffer), MSG_DONTWAIT);
    const int64_t now = NowNanos();
    if (received <= 0) return;
    std::string& tail = tails_[client];
    tail.append(buffer, static_cast<size_t>(received));
    for (size_t at; (at = tail.find(std::string(kMark))) != std::string::npos &&
                    at + kMark.size() + kTimeDigits <= tail.size();) {
      int64_t written = 0;
      CHECK(absl::SimpleAtoi(tail.substr(at + kMark.size(), kTimeDigits), &written));
      if (measuring_) ages_.push_back(now - written);
      tail.erase(0, at + kMark.size() + kTimeDigits);
    }
  }

  std::vector<HttpClient> clients_;
  std::vector<std::string> tails_;  // of the reader's thread
  std::vector<int64_t> ages_;       // likewise
  const int epoll_ = epoll_create1(0);
  std::atomic<bool> measuring_ = false, stopping_ = false;
  std::thread thread_;
};

// What stands between the writer and the clients.
class Path {
 public:
  virtual ~Path() = default;
  virtual int port() const = 0;
  virtual void AwaitStreams(size_t num_streams) = 0;
  virtual void Write(size_t stream, absl::string_view event) = 0;
};

class ServerPath : public Path, public HttpHandler {
 public:
  ServerPath() {
    HttpServerOptions options;
    options.num_threads = absl::GetFlag(FLAGS_io_threads);
    auto server = HttpServer::Start(options, this);
    CHECK(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  ~ServerPath() override { server_->Stop(absl::Now()); }

  int port() const override { return server_->port(); }
  void AwaitStreams(size_t num_streams) override {
    for (;; absl::SleepFor(absl::Milliseconds(1))) {
      std::lock_guard lock(mu_);
      if (replies_.size() == num_streams) return;
    }
  }
  void Write(size_t stream, absl::string_view event) override {
    CHECK(replies_[stream]->Write(event));
  }

 private:
  void Handle(HttpRequest, std::shared_ptr<HttpReply> reply) override {
    reply->BeginStream({.content_type = "text/event-stream"});
    std::lock_guard lock(mu_);
    replies_.push_back(std::move(reply));
  }

  std::mutex mu_;
  std::vector<std::shared_ptr<HttpReply>> replies_;  // guarded by mu_ until all are there
  std::unique_ptr<HttpServer> server_;
};

class PlainPath : public Path {
 public:
  PlainPath() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    CHECK_EQ(listen(listener_, 4096), 0);
  }
  ~PlainPath() override {
    for (int fd : fds_) close(fd);
    close(listener_);
  }

  int port() const override {
    sockaddr_in address = {};
    socklen_t length = sizeof(address);
    CHECK_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    return ntohs(address.sin_port);
  }
  void AwaitStreams(size_t num_streams) override {
    while (fds_.size() < num_streams) {
      fds_.push_back(accept(listener_, nullptr, nullptr));
      const int on = 1;
      setsockopt(fds_.back(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
  }
  void Write(size_t stream, absl::string_view event) override {
    CHECK_EQ(send(fds_[stream], event.data(), event.size(), MSG_NOSIGNAL),
             static_cast<ssize_t>(event.size()));
  }

 private:
  const int listener_;
  std::vector<int> fds_;
};

// Of the whole process: writer, server and reader.
double CpuMicros() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& t) {
    return 1e6 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

void WriteBursts(Path& path, size_t num_streams, absl::Duration duration) {
  const absl::Time end = absl::Now() + duration;
  for (absl::Time next = absl::Now(); next < end; next += absl::GetFlag(FLAGS_interval)) {
    absl::SleepFor(next - absl::Now());
    const std::string event = Event(NowNanos());
    for (size_t i = 0; i < num_streams; ++i) path.Write(i, event);
  }
}

void Measure(const char* name, Path& path, size_t num_streams) {
  const int64_t before_kib = ProcessStatus("VmRSS");
  std::vector<HttpClient> clients;
  for (size_t i = 0; i < num_streams; ++i) {
    clients.emplace_back(path.port());
    clients.back().Send("GET / HTTP/1.1\r\nHost: bench\r\n\r\n");
  }
  path.AwaitStreams(num_streams);
  Reader reader(std::move(clients));
  WriteBursts(path, num_streams, absl::GetFlag(FLAGS_duration) / 5);
  const int64_t used_kib = ProcessStatus("VmRSS") - before_kib;
  reader.StartMeasuring();
  const double cpu_before = CpuMicros();
  WriteBursts(path, num_streams, absl::GetFlag(FLAGS_duration));
  absl::SleepFor(absl::Milliseconds(200));
  const double cpu_micros = CpuMicros() - cpu_before;
  const int64_t num_threads = ProcessStatus("Threads");
  std::vector<int64_t> ages = reader.Stop();
  CHECK(!ages.empty());
  std::sort(ages.begin(), ages.end());
  const auto micros = [&](double quantile) {
    return static_cast<double>(ages[static_cast<size_t>(quantile * (ages.size() - 1))]) / 1000;
  };
  std::printf("%-7s %7zu %9zu %9.0f %9.0f %9.0f %9.1f %11.1f %8d\n", name, num_streams, ages.size(),
              micros(0.5), micros(0.99), micros(1), cpu_micros / static_cast<double>(ages.size()),
              static_cast<double>(used_kib) / static_cast<double>(num_streams),
              static_cast<int>(num_threads));
  std::fflush(stdout);
}

absl::Status Run() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  std::printf("%u cores; ages of events in microseconds\n", std::thread::hardware_concurrency());
  std::printf(
      "path    streams    events       p50       p99       max CPU/event  KiB/stream  threads\n");
  for (const std::string& text : absl::GetFlag(FLAGS_streams)) {
    size_t num_streams = 0;
    if (!absl::SimpleAtoi(text, &num_streams) || num_streams == 0)
      return absl::InvalidArgumentError(absl::StrCat("--streams: ", text, " is not a number"));
    ServerPath server;
    Measure("server", server, num_streams);
    PlainPath plain;
    Measure("floor", plain, num_streams);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Times events through the HTTP server; prints a table.");
  return coterie::ExitCodeFor(coterie::Run());
}

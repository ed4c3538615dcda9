#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/kv/contestants.h"
#include "kernels/check.h"

namespace coterie {
namespace {

// A connected socket, and its bytes.
class Socket {
 public:
  explicit Socket(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const std::vector<std::string> parts = absl::StrSplit(address, ':');
    int port = 0;
    sockaddr_in peer = {};
    peer.sin_family = AF_INET;
    CHECK(parts.size() == 2 && absl::SimpleAtoi(parts[1], &port)) << address;
    peer.sin_port = htons(static_cast<uint16_t>(port));
    CHECK_EQ(inet_pton(AF_INET, parts[0].c_str(), &peer.sin_addr), 1);
    CHECK_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)), 0) << address;
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      CHECK_GT(n, 0);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void Receive(char* bytes, size_t count) {
    while (count > 0) {
      const ssize_t n = recv(fd_, bytes, count, 0);
      CHECK_GT(n, 0);
      bytes += n;
      count -= static_cast<size_t>(n);
    }
  }
  std::string Line() {
    std::string line;
    char c = 0;
    while (!absl::EndsWith(line, "\r\n")) {
      Receive(&c, 1);
      line.push_back(c);
    }
    return line;
  }

 private:
  const int fd_;
};

}  // namespace

Contestant RedisContestant(const std::string& address, size_t bytes) {
  return {
      .name = "Redis", .connect = [address, bytes] {
        const auto socket = std::make_shared<Socket>(address);
        const auto payload = std::make_shared<std::string>(ExtentPayload(0, bytes));
        return Contestant::Client{
            [socket, payload](int from, int to) {
              for (int n = from; n < to; ++n) {
                const std::string key = absl::StrCat("extent:", n);
                socket->Send(absl::StrCat("*3\r\n$3\r\nSET\r\n$", key.size(), "\r\n", key, "\r\n$",
                                          payload->size(), "\r\n"));
                socket->Send(*payload);
                socket->Send("\r\n");
                CHECK_EQ(socket->Line(), "+OK\r\n");
              }
            },
            [socket, payload](int from, int to) {
              std::string got(payload->size() + 2, '\0');
              for (int n = from; n < to; ++n) {
                const std::string key = absl::StrCat("extent:", n);
                socket->Send(absl::StrCat("*2\r\n$3\r\nGET\r\n$", key.size(), "\r\n", key, "\r\n"));
                CHECK_EQ(socket->Line(), absl::StrCat("$", payload->size(), "\r\n"));
                socket->Receive(got.data(), got.size());
              }
            }};
      }};
}

Contestant LimitContestant(const std::string& address, size_t bytes) {
  return {.name = "loopback limit", .connect = [address, bytes] {
            const auto socket = std::make_shared<Socket>(address);
            const auto payload = std::make_shared<std::string>(ExtentPayload(0, bytes));
            const auto ask = [socket](char mode, size_t wanted) {
              const auto count = static_cast<int64_t>(wanted);
              socket->Send(absl::string_view(&mode, 1));
              socket->Send(absl::string_view(reinterpret_cast<const char*>(&count), sizeof(count)));
            };
            return Contestant::Client{[=](int from, int to) {
                                        for (int n = from; n < to; ++n) {
                                          ask('w', payload->size());
                                          socket->Send(*payload);
                                          char answer;
                                          socket->Receive(&answer, 1);
                                        }
                                      },
                                      [=](int from, int to) {
                                        std::string got(payload->size(), '\0');
                                        for (int n = from; n < to; ++n) {
                                          ask('r', got.size());
                                          socket->Receive(got.data(), got.size());
                                        }
                                      }};
          }};
}

}  // namespace coterie

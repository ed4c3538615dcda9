#include "tests/kv_store/bad_wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <random>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "kernels/check.h"

namespace coterie {
namespace {

// An abstract address begins with a zero byte and has no file.
socklen_t Fill(absl::string_view address, sockaddr_un* out) {
  CHECK(absl::ConsumePrefix(&address, "unix-abstract:")) << std::string(address);
  CHECK_LT(address.size() + 1, sizeof(out->sun_path));
  *out = {};
  out->sun_family = AF_UNIX;
  std::memcpy(out->sun_path + 1, address.data(), address.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + address.size());
}

int Listen(const std::string& address) {
  sockaddr_un name;
  const socklen_t size = Fill(address, &name);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(bind(fd, reinterpret_cast<sockaddr*>(&name), size), 0);
  CHECK_EQ(listen(fd, 64), 0);
  return fd;
}

// Finds what calls carry among the bytes of one direction of an HTTP/2 connection: the payload of
// DATA frames (RFC 9113, 4.1). Of what the transport says to itself nothing is damaged: Debian's
// gRPC 1.51 ends the process at a `:status` that is no number, whoever sends it.
class DataBytes {
 public:
  explicit DataBytes(size_t preface_bytes) : preface_left_(preface_bytes) {}

  // Their offsets in the next piece.
  std::vector<size_t> In(std::span<const char> piece) {
    std::vector<size_t> offsets;
    offsets.reserve(piece.size());
    for (size_t i = 0; i < piece.size(); ++i) {
      if (preface_left_ > 0) {
        --preface_left_;
      } else if (payload_left_ > 0) {
        --payload_left_;
        if (is_data_) offsets.push_back(i);
      } else {
        header_[num_header_++] = static_cast<unsigned char>(piece[i]);
        if (num_header_ < header_.size()) continue;
        num_header_ = 0;
        payload_left_ = size_t{header_[0]} << 16 | size_t{header_[1]} << 8 | header_[2];
        is_data_ = header_[3] == 0;
      }
    }
    return offsets;
  }

 private:
  size_t preface_left_, payload_left_ = 0, num_header_ = 0;
  std::array<unsigned char, 9> header_ = {};
  bool is_data_ = false;
};

// "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", from the client.
constexpr size_t kPrefaceBytes = 24;

}  // namespace

BadWire::BadWire(std::string server_address, Options options)
    : server_address_(std::move(server_address)),
      address_(absl::StrCat(server_address_, "-wire", options.seed)),
      options_(options),
      listener_(Listen(address_)),
      accepting_([this] { Accept(); }) {}

// Two sockets, and a thread for each direction.
struct BadWire::Connection {
  Connection(int client_fd, int server_fd) : client(client_fd), server(server_fd) {}
  ~Connection() {
    shutdown(client, SHUT_RDWR);
    shutdown(server, SHUT_RDWR);
    there.join();
    back.join();
    close(client);
    close(server);
  }

  const int client, server;
  std::atomic<int> num_pumps{2};  // that run
  std::thread there, back;
};

BadWire::~BadWire() {
  stopping_ = true;
  accepting_.join();
  close(listener_);
}

void BadWire::Accept() {
  while (!stopping_) {
    connections_.remove_if([](const auto& connection) { return connection->num_pumps == 0; });
    pollfd waiting = {.fd = listener_, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 50) <= 0) continue;
    if (const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); client >= 0)
      Carry(client);
  }
  connections_.clear();
}

void BadWire::Carry(int client) {
  sockaddr_un name;
  const socklen_t size = Fill(server_address_, &name);
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(server, reinterpret_cast<sockaddr*>(&name), size) != 0) {
    close(client);
    close(server);
    return;
  }
  connections_.push_back(std::make_unique<Connection>(client, server));
  Connection* const connection = connections_.back().get();
  const uint32_t seed = num_seeds_ += 2;
  connection->there = std::thread([=, this] {
    Pump(client, server, kPrefaceBytes, seed);
    --connection->num_pumps;
  });
  connection->back = std::thread([=, this] {
    Pump(server, client, 0, seed + 1);
    --connection->num_pumps;
  });
}

void BadWire::Pump(int from, int to, size_t preface_bytes, uint32_t seed) {
  DataBytes data(preface_bytes);
  std::mt19937 random(options_.seed * 1000 + seed);
  std::vector<char> piece(16 << 10);
  for (;;) {
    const ssize_t num_read = recv(from, piece.data(), piece.size(), 0);
    if (num_read <= 0) break;
    const auto size = static_cast<size_t>(num_read);
    if (random() % 100000 < static_cast<unsigned>(options_.cuts_in_100000)) break;
    if (random() % 1000 < static_cast<unsigned>(options_.delays_in_1000))
      absl::SleepFor(absl::Milliseconds(1 + random() % 5));
    const std::vector<size_t> offsets = data.In({piece.data(), size});
    if (options_.bytes_between_flips > 0 &&
        random() % static_cast<unsigned>(options_.bytes_between_flips) < offsets.size()) {
      piece[offsets[random() % offsets.size()]] ^= static_cast<char>(1 << (random() % 8));
      ++num_flipped_;
    }
    if (send(to, piece.data(), size, MSG_NOSIGNAL) != num_read) break;
  }
  shutdown(from, SHUT_RDWR);
  shutdown(to, SHUT_RDWR);
}

}  // namespace coterie

#include "kv_store/client/local_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

struct Address {
  sockaddr_un un = {};
  socklen_t size = 0;
};

std::optional<Address> AddressOf(const std::string& name) {
  Address address;
  address.un.sun_family = AF_UNIX;
  if (name.empty() || name.size() >= sizeof(address.un.sun_path)) return std::nullopt;
  std::memcpy(address.un.sun_path + 1, name.data(), name.size());  // after a zero: abstract
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

absl::Status Failed(const std::string& name) {
  return absl::UnavailableError(absl::StrCat("local socket ", name, ": ", std::strerror(errno)));
}

}  // namespace

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (const int old = std::exchange(fd_, other.Release()); old >= 0) close(old);
  return *this;
}
OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}
int OwnedFd::Release() { return std::exchange(fd_, -1); }

absl::StatusOr<OwnedFd> ListenLocally(const std::string& name) {
  const std::optional<Address> address = AddressOf(name);
  OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!address || fd.get() < 0 ||
      bind(fd.get(), reinterpret_cast<const sockaddr*>(&address->un), address->size) != 0 ||
      listen(fd.get(), 64) != 0) {
    return Failed(name);
  }
  return fd;
}

absl::StatusOr<OwnedFd> ConnectLocally(const std::string& name) {
  const std::optional<Address> address = AddressOf(name);
  // A full queue of a listener that accepts nobody is an error, not a wait.
  OwnedFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!address || fd.get() < 0 ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address->un), address->size) != 0) {
    return Failed(name);
  }
  return fd;
}

OwnedFd AcceptLocally(int listener) {
  return OwnedFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
}

bool IsOfThisUser(int socket) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

bool SendFd(int socket, int fd) {
  char byte = 'w';
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

OwnedFd ReceiveFd(int socket) {
  char byte = 0;
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // Without the filling, in which another descriptor would find room.
  message.msg_controllen = CMSG_LEN(sizeof(int));
  if (recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1) return OwnedFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return OwnedFd();
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(int));
  OwnedFd received(fd);
  if ((message.msg_flags & MSG_CTRUNC) != 0) return OwnedFd();  // more than one was sent
  return received;
}

bool SendNumber(int socket, uint64_t number) {
  return send(socket, &number, sizeof(number), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(number);
}

std::optional<uint64_t> ReceiveNumber(int socket, absl::Duration patience) {
  uint64_t number = 0;
  pollfd wait = {socket, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) != 1 ||
      recv(socket, &number, sizeof(number), MSG_DONTWAIT) != sizeof(number)) {
    return std::nullopt;
  }
  return number;
}

bool IsOpen(int socket) {
  char byte = 0;
  return recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

}  // namespace coterie

// Sockets in Linux's abstract namespace, between processes of one machine: nothing lies in the file
// system, and the kernel says who is at the other end.
#ifndef COTERIE_KV_STORE_CLIENT_LOCAL_SOCKET_H_
#define COTERIE_KV_STORE_CLIENT_LOCAL_SOCKET_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace coterie {

// A file descriptor, closed with it. -1: none.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();
  int get() const { return fd_; }
  int Release();

 private:
  int fd_;
};

// Unavailable: nobody listens there, or the name cannot be had.
absl::StatusOr<OwnedFd> ListenLocally(const std::string& name);
absl::StatusOr<OwnedFd> ConnectLocally(const std::string& name);
// Of a listener; -1 when nobody is there any more.
OwnedFd AcceptLocally(int listener);
// This process's user, or root.
bool IsOfThisUser(int socket);

// A descriptor and a number travel over `socket`. False: the other end is gone, or silent for so
// long.
bool SendFd(int socket, int fd);
OwnedFd ReceiveFd(int socket);
bool SendNumber(int socket, uint64_t number);
std::optional<uint64_t> ReceiveNumber(int socket, absl::Duration patience);
bool IsOpen(int socket);

}  // namespace coterie

#endif  // COTERIE_KV_STORE_CLIENT_LOCAL_SOCKET_H_

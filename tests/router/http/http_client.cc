#include "tests/router/http/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "kernels/check.h"

namespace coterie {

HttpClient::HttpClient(int port, int receive_buffer_bytes, absl::Duration patience)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  CHECK_GE(fd_, 0);
  if (receive_buffer_bytes > 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  const timeval timeout = absl::ToTimeval(patience);
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Close();
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), received_(std::move(other.received_)) {}

HttpClient::~HttpClient() { Close(); }

void HttpClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void HttpClient::EndSending() { shutdown(fd_, SHUT_WR); }

bool HttpClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool HttpClient::Receive() {
  char buffer[16 << 10];
  const ssize_t received = recv(fd_, buffer, sizeof(buffer), 0);
  if (received <= 0) return false;
  received_.append(buffer, static_cast<size_t>(received));
  return true;
}

std::string HttpClient::Take(size_t num_bytes) {
  std::string taken = received_.substr(0, num_bytes);
  received_.erase(0, num_bytes);
  return taken;
}

std::string HttpClient::ReadThrough(absl::string_view mark) {
  for (;;) {
    const size_t at = received_.find(std::string(mark));
    if (at != std::string::npos) return Take(at + mark.size());
    if (!Receive()) return "";
  }
}

bool HttpClient::ReadChunks(std::string* body) {
  for (;;) {
    const std::string line = ReadThrough("\r\n");
    if (line.empty()) return false;
    const size_t num_bytes = std::strtoul(line.c_str(), nullptr, 16);
    if (num_bytes == 0) return ReadThrough("\r\n") == "\r\n";
    while (received_.size() < num_bytes + 2) {
      if (!Receive()) return false;
    }
    *body += Take(num_bytes);
    if (Take(2) != "\r\n") return false;
  }
}

HttpResponse HttpClient::ReadResponse(bool to_head) {
  HttpResponse response;
  const std::string head = ReadThrough("\r\n\r\n");
  if (head.size() < 12) return response;
  const std::vector<std::string> lines = absl::StrSplit(head, "\r\n", absl::SkipEmpty());
  if (!absl::SimpleAtoi(lines[0].substr(9, 3), &response.status)) return response;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
    response.headers[absl::AsciiStrToLower(field.first)] = field.second;
  }
  if (to_head || response.status == 204) {
    response.whole = true;
  } else if (response.headers.contains("transfer-encoding")) {
    response.whole = ReadChunks(&response.body);
  } else if (response.headers.contains("content-length")) {
    size_t num_bytes = 0;
    CHECK(absl::SimpleAtoi(response.headers["content-length"], &num_bytes));
    while (received_.size() < num_bytes && Receive()) {
    }
    response.whole = received_.size() >= num_bytes;
    response.body = Take(num_bytes);
  } else {
    while (Receive()) {
    }
    response.body = Take(received_.size());
    response.whole = true;
  }
  return response;
}

bool HttpClient::AtEnd() {
  char byte = 0;
  return received_.empty() && recv(fd_, &byte, 1, 0) == 0;
}

}  // namespace coterie

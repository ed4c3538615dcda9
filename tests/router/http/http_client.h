// HttpClient: a client that can do wrong, on a plain socket, for tests and benches.
#ifndef COTERIE_TESTS_ROUTER_HTTP_HTTP_CLIENT_H_
#define COTERIE_TESTS_ROUTER_HTTP_HTTP_CLIENT_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace coterie {

struct HttpResponse {
  int status = 0;                              // 0: none came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks joined
  bool whole = false;                          // it came to its proper end
};

// Thread-compatible. Nothing waits longer than `patience`.
class HttpClient {
 public:
  // `receive_buffer_bytes`, when not 0, makes the kernel hold less for a client that does not read.
  explicit HttpClient(int port, int receive_buffer_bytes = 0,
                      absl::Duration patience = absl::Seconds(20));
  HttpClient(HttpClient&& other) noexcept;
  HttpClient& operator=(HttpClient&&) = delete;
  ~HttpClient();

  int fd() const { return fd_; }
  bool Send(absl::string_view bytes);
  void EndSending();  // shutdown(SHUT_WR)
  void Close();

  // Reads on until `mark` has come; everything up to its end. Empty when it does not come.
  std::string ReadThrough(absl::string_view mark);
  // The next response; `to_head` when it has no body whatever its headers say.
  HttpResponse ReadResponse(bool to_head = false);
  HttpResponse Ask(absl::string_view request) {
    Send(request);
    return ReadResponse();
  }
  // The server has closed, and nothing more came before.
  bool AtEnd();

 private:
  bool Receive();
  std::string Take(size_t num_bytes);
  bool ReadChunks(std::string* body);

  int fd_ = -1;
  std::string received_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_HTTP_HTTP_CLIENT_H_

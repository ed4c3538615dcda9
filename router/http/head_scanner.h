// HeadScanner: finds the end of a request's head, and refuses what different readers of HTTP would
// read differently before anybody reads it.
//
// Stricter than RFC 9112 where it leaves a choice, because a choice is what request smuggling lives
// on: a line ends with CR LF and nothing else, there are no control characters and no folded lines.
// One empty line before the request is skipped, as the RFC asks.
//
// Thread-compatible. Bytes are looked at once, however they are cut.
#ifndef COTERIE_ROUTER_HTTP_HEAD_SCANNER_H_
#define COTERIE_ROUTER_HTTP_HEAD_SCANNER_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "router/http/http_error.h"
#include "router/http/http_options.h"

namespace coterie {

class HeadScanner {
 public:
  explicit HeadScanner(const HttpLimits& limits) : limits_(limits) {}

  // `bytes` is everything from the start of the request on: what was given last time, and more.
  // True when the head is complete or refused.
  bool Scan(absl::string_view bytes);

  // Of a complete head: where it begins and where its body does.
  size_t head_begin() const { return head_begin_; }
  size_t head_end() const { return at_; }
  const HttpError& error() const { return error_; }

 private:
  bool Refuse(HttpError error);
  bool EndLine();
  bool TooLong();

  HttpLimits limits_;
  HttpError error_;
  size_t at_ = 0;  // the first byte that was not looked at
  size_t head_begin_ = 0;
  size_t line_begin_ = 0;
  size_t num_lines_ = 0;
  bool after_cr_ = false;
  bool done_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HEAD_SCANNER_H_

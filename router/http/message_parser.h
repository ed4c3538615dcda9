// MessageParser: the grammar of one request, by Beast, and the rules on its fields.
//
// Thread-compatible. The only header with Beast's parser in it: keep it out of other headers.
#ifndef COTERIE_ROUTER_HTTP_MESSAGE_PARSER_H_
#define COTERIE_ROUTER_HTTP_MESSAGE_PARSER_H_

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "router/http/http_error.h"
#include "router/http/http_options.h"
#include "router/http/http_request.h"

namespace coterie {

class MessageParser final : public boost::beast::http::basic_parser<true> {
 public:
  explicit MessageParser(const HttpLimits& limits);

  // The whole head, as HeadScanner found it. False when it is refused: see error().
  bool ParseHead(absl::string_view head);
  // Some of the body; returns how much of it was used. What was not must be given again in front of
  // what follows. Stops at the end of the request, and when it is refused.
  size_t ParseBody(absl::string_view bytes);

  HttpRequest& request() { return request_; }
  const HttpRequest& request() const { return request_; }
  bool expects_continue() const { return expects_continue_; }
  const HttpError& error() const { return error_; }

 private:
  using Field = boost::beast::http::field;
  using ErrorCode = boost::beast::error_code;
  using StringView = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb verb, StringView method, StringView target,
                       int version, ErrorCode& ec) override;
  void on_response_impl(int, StringView, int, ErrorCode&) override {}
  void on_field_impl(Field field, StringView name, StringView value, ErrorCode& ec) override;
  void on_header_impl(ErrorCode& ec) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(StringView body, ErrorCode& ec) override;
  void on_chunk_header_impl(std::uint64_t size, StringView extensions, ErrorCode& ec) override;
  std::size_t on_chunk_body_impl(std::uint64_t remain, StringView body, ErrorCode& ec) override;
  void on_finish_impl(ErrorCode&) override {}

  void TakeTarget(absl::string_view target, ErrorCode& ec);
  void TakeExpect(absl::string_view value, ErrorCode& ec);
  // Makes Beast stop with an error of ours.
  void Refuse(HttpError error, ErrorCode& ec);

  const HttpLimits limits_;
  HttpRequest request_;
  HttpError error_;
  int num_hosts_ = 0;
  int num_lengths_ = 0;
  bool has_encoding_ = false;
  bool expects_continue_ = false;
  bool head_done_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_MESSAGE_PARSER_H_

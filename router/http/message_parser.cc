#include "router/http/message_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace coterie {
namespace {

namespace http = boost::beast::http;

// HeadScanner has judged the length of the head; Beast counts with 32 bits.
constexpr std::uint32_t kBeastHeadLimit = 1u << 30;

absl::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool IsDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// "GET / HTTP/2.0" → true. Only asked of what Beast has refused for its version.
bool NamesHttpVersion(absl::string_view head) {
  const absl::string_view line = head.substr(0, head.find('\r'));
  const absl::string_view version = line.substr(line.rfind(' ') + 1);
  return std::count(line.begin(), line.end(), ' ') == 2 && version.size() == 8 &&
         absl::StartsWith(version, "HTTP/") && absl::ascii_isdigit(version[5]) &&
         version[6] == '.' && absl::ascii_isdigit(version[7]);
}

HttpError ErrorOf(const boost::beast::error_code& ec, absl::string_view head) {
  if (ec == http::error::bad_version && absl::StartsWith(head, "PRI * HTTP/2"))
    return {505, "this port speaks HTTP/1.1, not HTTP/2"};
  if (ec == http::error::bad_version && NamesHttpVersion(head))
    return {505, "this port speaks HTTP/1.1 and HTTP/1.0"};
  if (ec == http::error::body_limit) return {413, "the body is too large"};
  if (ec == http::error::bad_method) return {400, "the method is malformed"};
  if (ec == http::error::bad_target) return {400, "the request target is malformed"};
  if (ec == http::error::bad_version) return {400, "the request line is malformed"};
  if (ec == http::error::bad_field) return {400, "the name of a header field is malformed"};
  if (ec == http::error::bad_content_length) return {400, "Content-Length is malformed"};
  if (ec == http::error::bad_transfer_encoding) return {400, "Transfer-Encoding is malformed"};
  if (ec == http::error::bad_chunk || ec == http::error::bad_chunk_extension)
    return {400, "a chunk of the body is malformed"};
  return {400, "the request is malformed"};
}

}  // namespace

MessageParser::MessageParser(const HttpLimits& limits) : limits_(limits) {
  header_limit(kBeastHeadLimit);
  body_limit(limits.body_bytes);
}

bool MessageParser::ParseHead(absl::string_view head) {
  ErrorCode ec;
  const size_t used = put(boost::asio::buffer(head.data(), head.size()), ec);
  if (error_.status == 0 && ec) error_ = ErrorOf(ec, head);
  // Beast and HeadScanner agree on where the head ends, or nobody knows.
  if (error_.status == 0 && (!is_header_done() || used != head.size()))
    error_ = {400, "the header is malformed"};
  head_done_ = true;
  return error_.status == 0;
}

size_t MessageParser::ParseBody(absl::string_view bytes) {
  // Beast 1.74 asserts that an empty chunked body is not cut after its fourth byte. No body ends
  // sooner than five bytes after what Beast leaves of one.
  const size_t at_least = chunked() ? 5 : 1;
  size_t used = 0;
  while (!is_done() && error_.status == 0 && bytes.size() - used >= at_least) {
    // Set anew: Beast counts a chunk again each time that it looks at an unfinished header of one.
    body_limit(limits_.body_bytes - request_.body.size());
    ErrorCode ec;
    used += put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), ec);
    if (ec == http::error::need_more) break;
    if (error_.status == 0 && ec) error_ = ErrorOf(ec, "");
  }
  return used;
}

void MessageParser::Refuse(HttpError error, ErrorCode& ec) {
  error_ = error;
  ec = http::error::bad_value;
}

void MessageParser::on_request_impl(http::verb, StringView method, StringView target, int version,
                                    ErrorCode& ec) {
  request_.method = std::string(View(method));
  request_.minor_version = version - 10;
  TakeTarget(View(target), ec);
}

void MessageParser::TakeTarget(absl::string_view target, ErrorCode& ec) {
  if (target.size() > limits_.target_bytes)
    return Refuse({414, "the request target is too long"}, ec);
  // As to a proxy: the host is the business of the field Host.
  if (absl::ConsumePrefix(&target, "http://") || absl::ConsumePrefix(&target, "https://")) {
    target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
    if (!absl::StartsWith(target, "/")) request_.path = "/";
  } else if (!absl::StartsWith(target, "/") && target != "*") {
    return Refuse({400, "the request target is malformed"}, ec);
  }
  const size_t path_end = std::min(target.find('?'), target.size());
  request_.path += std::string(target.substr(0, path_end));
  if (path_end < target.size()) request_.query = std::string(target.substr(path_end + 1));
}

void MessageParser::on_field_impl(Field field, StringView name, StringView value, ErrorCode& ec) {
  if (head_done_) return;  // a trailer: nobody has asked for it, and it must not pass for a header
  const absl::string_view text = View(value);
  num_hosts_ += field == Field::host;
  if (field == Field::content_length && (++num_lengths_ > 1 || !IsDigits(text)))
    return Refuse({400, "Content-Length is malformed"}, ec);
  if (field == Field::transfer_encoding) {
    has_encoding_ = true;
    if (!absl::EqualsIgnoreCase(text, "chunked"))
      return Refuse({400, "the only Transfer-Encoding is chunked"}, ec);
  }
  if (field == Field::expect) TakeExpect(text, ec);
  request_.headers.emplace_back(std::string(View(name)), std::string(text));
}

void MessageParser::TakeExpect(absl::string_view value, ErrorCode& ec) {
  if (!absl::EqualsIgnoreCase(value, "100-continue"))
    return Refuse({417, "the only expectation is 100-continue"}, ec);
  // RFC 9110, section 10.1.1: of HTTP/1.0 it is ignored.
  expects_continue_ = request_.minor_version > 0;
}

void MessageParser::on_header_impl(ErrorCode& ec) {
  if (num_hosts_ > 1 || (num_hosts_ == 0 && request_.minor_version > 0))
    return Refuse({400, "there must be one Host"}, ec);
  if (has_encoding_ && (num_lengths_ > 0 || request_.minor_version == 0))
    return Refuse({400, "Transfer-Encoding is malformed"}, ec);
}

std::size_t MessageParser::on_body_impl(StringView body, ErrorCode&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

void MessageParser::on_chunk_header_impl(std::uint64_t, StringView extensions, ErrorCode& ec) {
  const auto is_control = [](char c) { return absl::ascii_iscntrl(c) && c != '\t'; };
  if (std::any_of(extensions.begin(), extensions.end(), is_control))
    Refuse({400, "a chunk of the body is malformed"}, ec);
}

std::size_t MessageParser::on_chunk_body_impl(std::uint64_t, StringView body, ErrorCode&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

}  // namespace coterie

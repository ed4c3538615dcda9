#include "router/http/response_head.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace coterie {
namespace {

struct Reason {
  int status;
  absl::string_view text;
};

// Clients read the number; the words are for people who look at the wire.
constexpr Reason kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

absl::string_view ReasonOf(int status) {
  const auto* const found = std::find_if(std::begin(kReasons), std::end(kReasons),
                                         [&](const Reason& r) { return r.status == status; });
  return found == std::end(kReasons) ? "Status" : found->text;
}

// A value may repeat what a client sent; it must not end the line.
void AppendField(absl::string_view name, absl::string_view value, std::string* out) {
  const size_t begin = out->size();
  absl::StrAppend(out, name, ": ", value);
  std::replace_if(
      out->begin() + static_cast<std::ptrdiff_t>(begin), out->end(),
      [](char c) { return absl::ascii_iscntrl(c); }, ' ');
  absl::StrAppend(out, "\r\n");
}

}  // namespace

bool StatusHasBody(int status) { return status >= 200 && status != 204 && status != 304; }

std::string FormatResponseHead(const ReplyHead& head, const ResponseForm& form, absl::Time now) {
  std::string out = absl::StrCat("HTTP/1.1 ", head.status, " ", ReasonOf(head.status), "\r\n");
  AppendField("Date", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now, absl::UTCTimeZone()),
              &out);
  if (!head.content_type.empty()) AppendField("Content-Type", head.content_type, &out);
  if (form.body_end == BodyEnd::kLength)
    AppendField("Content-Length", absl::StrCat(form.body_bytes), &out);
  if (form.body_end == BodyEnd::kLastChunk) AppendField("Transfer-Encoding", "chunked", &out);
  if (!form.keep_alive) AppendField("Connection", "close", &out);
  for (const auto& [name, value] : head.headers) AppendField(name, value, &out);
  absl::StrAppend(&out, "\r\n");
  return out;
}

void AppendChunk(absl::string_view bytes, std::string* out) {
  absl::StrAppend(out, absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
}

}  // namespace coterie

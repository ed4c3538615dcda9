// The status line and headers of an answer, as bytes.
#ifndef COTERIE_ROUTER_HTTP_RESPONSE_HEAD_H_
#define COTERIE_ROUTER_HTTP_RESPONSE_HEAD_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "router/http/http_reply.h"

namespace coterie {

// How the client knows where the body ends.
enum class BodyEnd {
  kLength,      // Content-Length
  kLastChunk,   // Transfer-Encoding: chunked
  kConnection,  // with the connection
  kNoBody,      // there is none, and the status says so
};

struct ResponseForm {
  BodyEnd body_end = BodyEnd::kLength;
  size_t body_bytes = 0;  // of kLength
  bool keep_alive = true;
};

// 1xx, 204 and 304 never have a body.
bool StatusHasBody(int status);

std::string FormatResponseHead(const ReplyHead& head, const ResponseForm& form, absl::Time now);

// `bytes`, of which there is at least one, as a chunk.
void AppendChunk(absl::string_view bytes, std::string* out);

inline constexpr absl::string_view kLastChunk = "0\r\n\r\n";

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_RESPONSE_HEAD_H_

// HttpRequest: one request, whole, as the client sent it.
#ifndef COTERIE_ROUTER_HTTP_HTTP_REQUEST_H_
#define COTERIE_ROUTER_HTTP_HTTP_REQUEST_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace coterie {

// Names as they were sent; they compare without case.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // as sent: "GET"
  std::string path;    // up to the `?`, not decoded; "*" of OPTIONS
  std::string query;   // after the `?`, not decoded
  HttpHeaders headers;
  std::string body;  // chunks joined
  std::string peer;  // "10.0.0.7:51034"
  int minor_version = 1;

  // The first of that name; null when there is none. Valid as long as the request.
  const std::string* FindHeader(absl::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (absl::EqualsIgnoreCase(key, name)) return &value;
    }
    return nullptr;
  }
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_HTTP_REQUEST_H_

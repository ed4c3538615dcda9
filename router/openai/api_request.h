// ApiRequest: a request as the transport has read it.
#ifndef COTERIE_ROUTER_OPENAI_API_REQUEST_H_
#define COTERIE_ROUTER_OPENAI_API_REQUEST_H_

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "router/openai/reply_sink.h"

namespace coterie {

struct ApiRequest {
  std::string method = "GET";
  std::string path;  // as in the request line; what follows a `?` is passed over
  HttpHeaders headers;
  std::string body;

  // The first of that name, whatever its case; empty when there is none.
  absl::string_view Header(absl::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (absl::EqualsIgnoreCase(key, name)) return value;
    }
    return "";
  }

  absl::string_view PathWithoutQuery() const {
    const absl::string_view all = path;
    return all.substr(0, all.find('?'));
  }
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_API_REQUEST_H_

// What the headers of a request say of who calls.
#ifndef COTERIE_ROUTER_OPENAI_REQUEST_HEADERS_H_
#define COTERIE_ROUTER_OPENAI_REQUEST_HEADERS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "router/openai/api_request.h"

namespace coterie {

// `Authorization: Bearer KEY`, or Anthropic's `x-api-key: KEY`; empty when there is none.
absl::string_view KeyOf(const ApiRequest& request);

// A header's value that may be logged and sent back; empty when it is long or has other characters
// than visible ASCII.
std::string HarmlessHeader(const ApiRequest& request, absl::string_view name);

// Simple clients send no Content-Type. Forms and plain text are refused, and from a browser what
// has no type at all, so that no page of another site can post without a preflight.
bool IsJson(const ApiRequest& request);

// Bodies are taken as they are: no other Content-Encoding than `identity`.
bool IsPlain(const ApiRequest& request);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_REQUEST_HEADERS_H_

// Server-sent events (WHATWG HTML, section 9.2).
#ifndef COTERIE_ROUTER_HTTP_SSE_H_
#define COTERIE_ROUTER_HTTP_SSE_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace coterie {

// One event with `data`, which has no line breaks: JSON on one line has none.
inline std::string SseEvent(absl::string_view data) { return absl::StrCat("data: ", data, "\n\n"); }

// A line that clients skip. Sent now and then, it keeps proxies from closing a stream that waits.
inline std::string SseComment(absl::string_view text) { return absl::StrCat(": ", text, "\n\n"); }

}  // namespace coterie

#endif  // COTERIE_ROUTER_HTTP_SSE_H_

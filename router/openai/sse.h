// Server-sent events, as bytes. `data` is on one line, as DumpJson writes it.
#ifndef COTERIE_ROUTER_OPENAI_SSE_H_
#define COTERIE_ROUTER_OPENAI_SSE_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace coterie {

inline std::string SseData(absl::string_view data) { return absl::StrCat("data: ", data, "\n\n"); }

// One with a name. Clients of OpenAI's responses and of Anthropic look for it.
inline std::string SseEvent(absl::string_view name, absl::string_view data) {
  return absl::StrCat("event: ", name, "\ndata: ", data, "\n\n");
}

// Readers pass over it; it keeps a connection from looking dead.
inline constexpr absl::string_view kSseComment = ": still here\n\n";

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_SSE_H_

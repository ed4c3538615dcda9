// The events of a stream, read back as a client reads them.
#ifndef COTERIE_TESTS_ROUTER_OPENAI_SSE_READER_H_
#define COTERIE_TESTS_ROUTER_OPENAI_SSE_READER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "model/chat_json.h"

namespace coterie {

struct SseRecord {
  std::string name;  // empty: none
  std::string data;
};

// CHECKs that the framing is right: lines of `event:`, `data:` or a comment, an empty line after
// each event, none of them open at the end.
std::vector<SseRecord> ReadEvents(absl::string_view stream);

// The JSON of each event; CHECKs that it is JSON, and that an event's name is its type. `[DONE]`
// must be the last and is left out.
std::vector<ChatJson> ReadEventJson(absl::string_view stream);

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_OPENAI_SSE_READER_H_

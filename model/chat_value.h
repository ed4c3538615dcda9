// A JSON value as Gemma 4 writes and reads it: strings between <|"|> tokens, bare keys in the order
// of their lower case.
#ifndef COTERIE_MODEL_CHAT_VALUE_H_
#define COTERIE_MODEL_CHAT_VALUE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"
#include "model/chat_segments.h"

namespace coterie {

// The entries of `object` in the order of Jinja's dictsort. They point into it.
std::vector<std::pair<absl::string_view, const ChatJson*>> SortedEntries(const ChatJson& object);

// `text` between quote tokens.
void AppendChatString(absl::string_view text, ChatSegments* segments);

// InvalidArgument when `value` nests deeper than kChatDepthMax.
absl::Status AppendChatValue(const ChatJson& value, ChatSegments* segments);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_VALUE_H_

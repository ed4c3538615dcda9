// JSON in chat requests: schemas, arguments, results.
#ifndef COTERIE_MODEL_CHAT_JSON_H_
#define COTERIE_MODEL_CHAT_JSON_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace coterie {

// Keys keep their order: the chat format sorts them without regard to case, and of `a` and `A` the
// one that came first goes first.
using ChatJson = nlohmann::ordered_json;

// Finding a key takes time in proportion to their number, so a stranger's object has a bound.
inline constexpr int kChatKeysMax = 1024;

// A stranger's text as JSON. InvalidArgument when it is none, is not UTF-8, nests deeper than
// kChatDepthMax (model/chat_tokens.h), or has an object of more than kChatKeysMax keys. Never
// throws. Integers beyond 64 bits become doubles; of equal keys the last one's value counts.
absl::StatusOr<ChatJson> ParseChatJson(absl::string_view text);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_JSON_H_

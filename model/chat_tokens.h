// The control tokens of Gemma 4's chat format: how they are spelled, and which ids a vocabulary
// gives them.
#ifndef COTERIE_MODEL_CHAT_TOKENS_H_
#define COTERIE_MODEL_CHAT_TOKENS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/tokenizer.h"

namespace coterie {

inline constexpr absl::string_view kBos = "<bos>";
inline constexpr absl::string_view kTurnBegin = "<|turn>";
inline constexpr absl::string_view kTurnEnd = "<turn|>";
inline constexpr absl::string_view kThink =
    "<|think|>";  // in the system turn: think before you answer
inline constexpr absl::string_view kChannelBegin = "<|channel>";
inline constexpr absl::string_view kChannelEnd = "<channel|>";
inline constexpr absl::string_view kToolBegin = "<|tool>";  // a declaration
inline constexpr absl::string_view kToolEnd = "<tool|>";
inline constexpr absl::string_view kCallBegin = "<|tool_call>";
inline constexpr absl::string_view kCallEnd = "<tool_call|>";
inline constexpr absl::string_view kResponseBegin = "<|tool_response>";
inline constexpr absl::string_view kResponseEnd = "<tool_response|>";
inline constexpr absl::string_view kQuote = "<|\"|>";  // before and after a string

// What a channel of reasoning begins with, as ordinary text.
inline constexpr absl::string_view kThoughtHeader = "thought\n";

// Values deeper than this are refused, in what is rendered and in what is parsed: both descend by
// recursion or remember every level, and what a schema describes has a handful.
inline constexpr int kChatDepthMax = 64;

// The ids of the above in one vocabulary. They differ between the 26B and the small vocabularies of
// tests.
struct ChatTokens {
  int32_t bos = -1;
  int32_t turn_begin = -1, turn_end = -1;
  int32_t think = -1;
  int32_t channel_begin = -1, channel_end = -1;
  int32_t tool_begin = -1, tool_end = -1;
  int32_t call_begin = -1, call_end = -1;
  int32_t response_begin = -1, response_end = -1;
  int32_t quote = -1;

  // FailedPrecondition names a token that `tokenizer` lacks or takes for ordinary text.
  static absl::StatusOr<ChatTokens> Create(const Tokenizer& tokenizer);

  // The id of a spelling that stands at the front of `text`, -1 when there is none.
  struct Match {
    int32_t token = -1;
    absl::string_view spelling;
  };
  Match AtFront(absl::string_view text) const;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_TOKENS_H_

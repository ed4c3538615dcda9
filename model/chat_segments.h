// A rendered conversation, with the knowledge of who wrote what.
//
// Gemma's chat format has no escapes: `<turn|>` in a user's text looks like the end of the turn. So
// a conversation is never one string here. What the format says is `trusted`, what people, tools
// and models said is not, and only trusted text can become control tokens.
#ifndef COTERIE_MODEL_CHAT_SEGMENTS_H_
#define COTERIE_MODEL_CHAT_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/tokenizer.h"

namespace coterie {

struct ChatSegment {
  std::string text;
  bool trusted = false;  // of our own making: control tokens are spelled in it
};

// Segments as they are written. Neighbours of one kind are one segment. Thread-compatible.
class ChatSegments {
 public:
  void Format(absl::string_view text) { Append(text, true); }
  void Quote(absl::string_view text) { Append(text, false); }
  // Of all that was written.
  size_t num_bytes() const { return num_bytes_; }
  std::vector<ChatSegment> Take() { return std::move(segments_); }

 private:
  void Append(absl::string_view text, bool trusted);

  std::vector<ChatSegment> segments_;
  size_t num_bytes_ = 0;
};

// All text, as the Jinja template gives it. For people and tests: tokenised, it would let a user
// write control tokens.
std::string ChatText(std::span<const ChatSegment> segments);

// The tokens. Where no untrusted text spells a control token they are those of ChatText encoded
// with ControlTokens::kParse, because text is merged across the segments from one control token to
// the next. Untrusted text, and text that spells a control token only together with its neighbour,
// stays text.
//
// FailedPrecondition when the vocabulary lacks the chat format's tokens; InvalidArgument when
// untrusted text is not UTF-8.
absl::StatusOr<std::vector<int32_t>> EncodeChat(const Tokenizer& tokenizer,
                                                std::span<const ChatSegment> segments);

struct EncodedChat {
  std::vector<int32_t> tokens;
  size_t num_stable = 0;
};

// The same tokens, and how many of them at the front every conversation has whose first
// `stable_bytes` bytes are these: those up to the last control token that ends there, because text
// after it may be merged with what follows.
absl::StatusOr<EncodedChat> EncodeChat(const Tokenizer& tokenizer,
                                       std::span<const ChatSegment> segments, size_t stable_bytes);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_SEGMENTS_H_

#include "model/chat_segments.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"

namespace coterie {
namespace {

// Gathers the text between two control tokens. It is encoded in one go, as plain text: what the
// format itself says there ("user", "declaration:") spells no control token.
class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, const ChatTokens& tokens, size_t stable_bytes)
      : tokenizer_(tokenizer), tokens_(tokens), stable_bytes_(stable_bytes) {}

  void AddUntrusted(absl::string_view text) {
    absl::StrAppend(&stretch_, text);
    num_bytes_ += text.size();
  }

  absl::Status AddTrusted(absl::string_view text) {
    while (!text.empty()) {
      const ChatTokens::Match match = tokens_.AtFront(text);
      if (match.token >= 0) {
        RETURN_IF_ERROR(EndStretch());
        ids_.push_back(match.token);
        text.remove_prefix(match.spelling.size());
        num_bytes_ += match.spelling.size();
        // Text is merged up to here, whatever follows.
        if (num_bytes_ <= stable_bytes_) num_stable_ = ids_.size();
      } else {
        const size_t length = std::min(text.find('<', 1), text.size());
        absl::StrAppend(&stretch_, text.substr(0, length));
        text.remove_prefix(length);
        num_bytes_ += length;
      }
    }
    return absl::OkStatus();
  }

  absl::Status EndStretch() {
    ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                     tokenizer_.Encode(stretch_, ControlTokens::kPlainText));
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    stretch_.clear();
    return absl::OkStatus();
  }

  EncodedChat Take() { return {std::move(ids_), num_stable_}; }

 private:
  const Tokenizer& tokenizer_;
  const ChatTokens& tokens_;
  const size_t stable_bytes_;
  std::string stretch_;
  std::vector<int32_t> ids_;
  size_t num_bytes_ = 0;  // of the text that was added
  size_t num_stable_ = 0;
};

}  // namespace

void ChatSegments::Append(absl::string_view text, bool trusted) {
  if (text.empty()) return;
  num_bytes_ += text.size();
  if (segments_.empty() || segments_.back().trusted != trusted) segments_.push_back({"", trusted});
  absl::StrAppend(&segments_.back().text, text);
}

std::string ChatText(std::span<const ChatSegment> segments) {
  std::string text;
  for (const ChatSegment& segment : segments) text += segment.text;
  return text;
}

absl::StatusOr<EncodedChat> EncodeChat(const Tokenizer& tokenizer,
                                       std::span<const ChatSegment> segments, size_t stable_bytes) {
  ASSIGN_OR_RETURN(const ChatTokens tokens, ChatTokens::Create(tokenizer));
  Encoder encoder(tokenizer, tokens, stable_bytes);
  for (const ChatSegment& segment : segments) {
    if (segment.trusted) {
      RETURN_IF_ERROR(encoder.AddTrusted(segment.text));
    } else {
      encoder.AddUntrusted(segment.text);
    }
  }
  RETURN_IF_ERROR(encoder.EndStretch());
  return encoder.Take();
}

absl::StatusOr<std::vector<int32_t>> EncodeChat(const Tokenizer& tokenizer,
                                                std::span<const ChatSegment> segments) {
  ASSIGN_OR_RETURN(EncodedChat chat, EncodeChat(tokenizer, segments, 0));
  return std::move(chat.tokens);
}

}  // namespace coterie

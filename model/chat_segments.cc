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
  Encoder(const Tokenizer& tokenizer, const ChatTokens& tokens)
      : tokenizer_(tokenizer), tokens_(tokens) {}

  void AddUntrusted(absl::string_view text) { absl::StrAppend(&stretch_, text); }

  absl::Status AddTrusted(absl::string_view text) {
    while (!text.empty()) {
      const ChatTokens::Match match = tokens_.AtFront(text);
      if (match.token >= 0) {
        RETURN_IF_ERROR(EndStretch());
        ids_.push_back(match.token);
        text.remove_prefix(match.spelling.size());
      } else {
        const size_t length = std::min(text.find('<', 1), text.size());
        absl::StrAppend(&stretch_, text.substr(0, length));
        text.remove_prefix(length);
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

  std::vector<int32_t> Take() { return std::move(ids_); }

 private:
  const Tokenizer& tokenizer_;
  const ChatTokens& tokens_;
  std::string stretch_;
  std::vector<int32_t> ids_;
};

}  // namespace

void ChatSegments::Append(absl::string_view text, bool trusted) {
  if (text.empty()) return;
  if (segments_.empty() || segments_.back().trusted != trusted) segments_.push_back({"", trusted});
  absl::StrAppend(&segments_.back().text, text);
}

std::string ChatText(std::span<const ChatSegment> segments) {
  std::string text;
  for (const ChatSegment& segment : segments) text += segment.text;
  return text;
}

absl::StatusOr<std::vector<int32_t>> EncodeChat(const Tokenizer& tokenizer,
                                                std::span<const ChatSegment> segments) {
  ASSIGN_OR_RETURN(const ChatTokens tokens, ChatTokens::Create(tokenizer));
  Encoder encoder(tokenizer, tokens);
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

}  // namespace coterie

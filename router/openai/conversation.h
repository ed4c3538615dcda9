// Conversation: messages in the order in which a client sends them, in the form that the model's
// chat format has room for.
//
// The format has one system turn, at the beginning. System messages at the beginning become one;
// a later one is shown as a user's message, as agents that send them mean to be heard rather than
// refused.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_OPENAI_CONVERSATION_H_
#define COTERIE_ROUTER_OPENAI_CONVERSATION_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"
#include "model/chat_message.h"

namespace coterie {

// Requests with more are refused before anything is done with them.
inline constexpr size_t kMessagesMax = 100'000;

class Conversation {
 public:
  void Add(ChatMessage message);
  void AddSystem(std::string text);

  const std::vector<ChatMessage>& messages() const { return messages_; }
  std::vector<ChatMessage> Take() { return std::move(messages_); }

 private:
  std::vector<ChatMessage> messages_;
};

// The texts of a list of content parts. A part is an object with a `type` of `text`, `input_text`,
// `output_text` or `refusal` and its text; InvalidField names the others, such as images. `path` is
// the list's.
absl::StatusOr<std::vector<std::string>> ReadTextParts(const ChatJson& parts,
                                                       absl::string_view path);

// A string, or the parts put together with `between`; null is empty.
absl::StatusOr<std::string> ReadText(const ChatJson& content, absl::string_view path,
                                     absl::string_view between = "");

// The arguments of a call in a history, which OpenAI's clients send as JSON text. Always an object;
// an empty text is {}.
absl::StatusOr<ChatJson> ReadArguments(const ChatJson& arguments, absl::string_view path);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_CONVERSATION_H_

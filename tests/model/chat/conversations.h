// The conversations of tests/golden/chat (tests/golden/make_chat_goldens.py).
#ifndef COTERIE_TESTS_MODEL_CHAT_CONVERSATIONS_H_
#define COTERIE_TESTS_MODEL_CHAT_CONVERSATIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "model/chat_template.h"

namespace coterie {

struct Conversation {
  ChatJson messages;
  std::vector<ChatJson> tools;
  ChatOptions options;
  std::optional<std::string> text;  // nothing: to be refused
  std::string why;                  // it is to be refused
  std::string line;                 // for messages of tests
};

// Aborts when the file is not there.
std::vector<Conversation> ReadConversations();

// ChatMessagesFromJson and RenderChat.
absl::StatusOr<ChatPrompt> Render(const Conversation& conversation);

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_CHAT_CONVERSATIONS_H_

#include "tests/model/chat/conversations.h"

#include <fstream>
#include <utility>

#include "kernels/check.h"
#include "kernels/status_macros.h"
#include "model/chat_message.h"

namespace coterie {

std::vector<Conversation> ReadConversations() {
  std::vector<Conversation> conversations;
  std::ifstream file("tests/golden/chat/conversations.jsonl");
  CHECK(file.good());
  for (std::string line; std::getline(file, line);) {
    absl::StatusOr<ChatJson> json = ParseChatJson(line);
    CHECK(json.ok()) << json.status().ToString() << ": " << line;
    Conversation conversation;
    conversation.messages = (*json)["messages"];
    for (const ChatJson& tool : (*json)["tools"]) conversation.tools.push_back(tool);
    conversation.options = {.enable_thinking = (*json)["thinking"].get<bool>(),
                            .preserve_thinking = (*json)["preserve_thinking"].get<bool>(),
                            .add_generation_prompt = (*json)["add_generation_prompt"].get<bool>()};
    if ((*json)["text"].is_string()) {
      conversation.text = (*json)["text"].get<std::string>();
    } else {
      conversation.why = (*json)["why"].get<std::string>();
    }
    conversation.line = std::move(line);
    conversations.push_back(std::move(conversation));
  }
  return conversations;
}

absl::StatusOr<ChatPrompt> Render(const Conversation& conversation) {
  ASSIGN_OR_RETURN(const std::vector<ChatMessage> messages,
                   ChatMessagesFromJson(conversation.messages));
  return RenderChat(messages, conversation.tools, conversation.options);
}

}  // namespace coterie

#include "model/chat_output.h"

#include <utility>

namespace coterie {

void ChatOutput::Add(const ChatEvent& event) {
  switch (event.kind) {
    case ChatEvent::Kind::kReasoning:
      reasoning += event.text;
      break;
    case ChatEvent::Kind::kContent:
      content += event.text;
      break;
    case ChatEvent::Kind::kCallBegin:
      open_call_ = {event.name, ""};
      break;
    case ChatEvent::Kind::kArguments:
      open_call_.arguments += event.text;
      break;
    case ChatEvent::Kind::kCallEnd:
      calls.push_back(std::exchange(open_call_, Call()));
      break;
    case ChatEvent::Kind::kCallBroken:
      broken_calls.push_back(event.text);
      break;
  }
}

}  // namespace coterie

// What the model said, in parts: as events while it comes, and put together.
#ifndef COTERIE_MODEL_CHAT_OUTPUT_H_
#define COTERIE_MODEL_CHAT_OUTPUT_H_

#include <string>
#include <vector>

namespace coterie {

struct ChatEvent {
  enum class Kind {
    kReasoning,   // `text` goes on with what was reasoned
    kContent,     // `text` goes on with the answer
    kCallBegin,   // call number `call`, of the tool `name`
    kArguments,   // `text` goes on with the JSON of the call's arguments
    kCallEnd,     // the arguments are complete
    kCallBroken,  // the call keeps to no grammar, or was cut off; `text` is all of it, as generated
  };
  Kind kind = Kind::kContent;
  std::string text;
  std::string name;
  // From 0, of the calls that began. -1 for a broken one that had not begun: nothing was said of it
  // before.
  int call = -1;
};

// How an output ended.
enum class ChatEnd {
  kCut,        // by no token of its own: at a limit, or by the client
  kTurn,       // the model ended its turn
  kToolCalls,  // the model waits for the results of its calls
};

struct ChatOutput {
  struct Call {
    std::string name;
    std::string arguments;  // a JSON object
  };

  std::string reasoning;
  std::string content;
  std::vector<Call> calls;                // the complete ones
  std::vector<std::string> broken_calls;  // the others, as generated, control tokens and all
  ChatEnd end = ChatEnd::kCut;

  // Takes in the events of one output, in their order.
  void Add(const ChatEvent& event);

 private:
  Call open_call_;
};

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_OUTPUT_H_

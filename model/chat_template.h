// Gemma 4's chat format: a conversation as the text that the model continues.
//
// The judge is the Jinja template beside the demo model's weights (tools/demo_model/checkpoint/
// chat_template.jinja); tests/golden/chat compares byte for byte. What the template renders
// nonsense for, or drops without a word, is refused here: an unknown role, a system message that is
// not the first, a user's image, a result of a call that its assistant's message does not make. One
// silence is kept, because the format defines it so: results that do not follow calls are dropped.
// And in two places the judge's own judge is followed, Google's template, which accepts what this
// one does not: an assistant's text and a tool's as lists of parts, and ids that are used again in
// a later message.
#ifndef COTERIE_MODEL_CHAT_TEMPLATE_H_
#define COTERIE_MODEL_CHAT_TEMPLATE_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_json.h"
#include "model/chat_message.h"
#include "model/chat_segments.h"

namespace coterie {

struct ChatOptions {
  // Tells the model to reason in a channel before it answers; otherwise it is given an empty
  // channel.
  bool enable_thinking = false;
  // Keeps the reasoning of older assistant messages that call tools. Without it only what was
  // reasoned after the last user message is shown.
  bool preserve_thinking = false;
  // Ends with where the model speaks next.
  bool add_generation_prompt = true;
};

struct ChatPrompt {
  std::vector<ChatSegment> segments;
  // So many bytes at the front are the same in every later prompt of this conversation, if it goes
  // on with an assistant's message and has the same tools and options. After them comes what the
  // next prompt shows in another form: the empty channel that is written only where the model
  // speaks next, and reasoning that a new user's message hides. A sequence's memory kept at this
  // place is one that the next request can use. What follows is often the same too.
  size_t stable_bytes = 0;
  // The prompt ends inside an open channel: the first thing the model says is reasoning
  // (ChatParser).
  bool ends_in_channel = false;
};

// Tools are as OpenAI declares them (model/tool_declaration.h). InvalidArgument names the message
// or tool at fault by its place, from 0, and says what is wrong. A pure function.
//
//   ASSIGN_OR_RETURN(const ChatPrompt prompt,
//                    RenderChat(messages, tools, {.enable_thinking = true}));
//   ASSIGN_OR_RETURN(const EncodedChat chat,
//                    EncodeChat(tokenizer, prompt.segments, prompt.stable_bytes));
absl::StatusOr<ChatPrompt> RenderChat(std::span<const ChatMessage> messages,
                                      std::span<const ChatJson> tools, const ChatOptions& options);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_TEMPLATE_H_

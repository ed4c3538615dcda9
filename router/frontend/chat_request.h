// ChatRequest: what both doors understand by a chat request. OpenAI's JSON and chat.proto are read
// into it; Completions answers it.
#ifndef COTERIE_ROUTER_FRONTEND_CHAT_REQUEST_H_
#define COTERIE_ROUTER_FRONTEND_CHAT_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/chat_json.h"
#include "model/chat_message.h"
#include "router/frontend/completion_options.h"

namespace coterie {

enum class ToolChoice {
  kAuto,      // the model decides
  kNone,      // no call
  kRequired,  // at least one call
  kNamed,     // a call of `tool_name`
};

struct ResponseFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  ChatJson schema;  // of kJsonSchema
};

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::vector<ChatJson> tools;  // as OpenAI declares them (model/tool_declaration.h)
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_name;  // of kNamed
  bool parallel_tool_calls = true;
  bool enable_thinking = false;
  bool preserve_thinking = false;
  std::optional<int64_t> thinking_budget;  // tokens of reasoning at most; missing: the server's
  ResponseFormat response_format;
  CompletionOptions options;
};

// A prompt that is continued as it is.
struct TextRequest {
  std::string text;             // when tokens is empty
  bool parse_control = true;    // spellings of control tokens in `text` become control tokens
  std::vector<int32_t> tokens;  // taken as they are
  bool show_control = false;    // output text spells control tokens out
  ResponseFormat response_format;
  CompletionOptions options;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_CHAT_REQUEST_H_

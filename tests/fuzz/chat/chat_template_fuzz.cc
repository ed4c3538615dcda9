// A chat request, a stranger's: {"messages", "tools"}. The first byte is the options.
//
// Beside not crashing: the tokens decode to the rendered text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "model/chat_json.h"
#include "model/chat_message.h"
#include "model/chat_segments.h"
#include "model/chat_template.h"
#include "model/detokenizer.h"
#include "tests/model/chat/chat_tokenizers.h"

namespace coterie {
namespace {

void Run(absl::string_view input) {
  static const Tokenizer* const tokenizer = ReadTokenizer("tiny").release();
  if (input.empty()) return;
  const ChatOptions options = {.enable_thinking = (input[0] & 1) != 0,
                               .preserve_thinking = (input[0] & 2) != 0,
                               .add_generation_prompt = (input[0] & 4) != 0};
  const auto json = ParseChatJson(input.substr(1));
  if (!json.ok() || !json->is_object() || !json->contains("messages")) return;
  const auto messages = ChatMessagesFromJson((*json)["messages"]);
  if (!messages.ok()) return;
  std::vector<ChatJson> tools;
  if (json->contains("tools") && (*json)["tools"].is_array()) {
    for (const ChatJson& tool : (*json)["tools"]) tools.push_back(tool);
  }
  const auto prompt = RenderChat(*messages, tools, options);
  if (!prompt.ok()) return;
  const auto ids = EncodeChat(*tokenizer, prompt->segments);
  CHECK(ids.ok()) << ids.status().ToString();
  const std::string text = ChatText(prompt->segments);
  // A ▁ comes back as a space.
  if (text.find("▁") != std::string::npos) return;
  CHECK(*Decode(tokenizer->vocabulary(), *ids, ControlText::kShow) == text) << text;
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

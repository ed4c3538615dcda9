#include "router/openai/public_prompts.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/status_macros.h"
#include "model/chat_segments.h"
#include "model/chat_template.h"
#include "router/openai/chat_body.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

absl::StatusOr<std::vector<int32_t>> TokensWith(ChatJson body, const std::string& user,
                                                bool thinking, const Tokenizer& tokenizer) {
  if (body.contains("messages") && body["messages"].is_array())
    body["messages"].push_back({{"role", "user"}, {"content", user}});
  ASSIGN_OR_RETURN(const ChatBody read, ReadChatBody(body, {.enable_thinking = thinking}));
  ASSIGN_OR_RETURN(const ChatPrompt prompt,
                   RenderChat(read.request.messages, read.request.tools,
                              {.enable_thinking = read.request.enable_thinking}));
  return EncodeChat(tokenizer, prompt.segments);
}

// What does not depend on what the user says next.
absl::StatusOr<std::vector<int32_t>> PublicTokens(absl::string_view line, bool thinking,
                                                  const Tokenizer& tokenizer) {
  ASSIGN_OR_RETURN(const ChatJson body, ParseBody(line));
  ASSIGN_OR_RETURN(std::vector<int32_t> one, TokensWith(body, "A", thinking, tokenizer));
  ASSIGN_OR_RETURN(const std::vector<int32_t> other, TokensWith(body, "0", thinking, tokenizer));
  one.erase(std::mismatch(one.begin(), one.end(), other.begin(), other.end()).first, one.end());
  return one;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<int32_t>>> ReadPublicPrompts(const std::string& path,
                                                                    const Tokenizer& tokenizer) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  std::vector<std::vector<int32_t>> prompts;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#') continue;
    for (const bool thinking : {false, true}) {
      absl::StatusOr<std::vector<int32_t>> tokens = PublicTokens(text, thinking, tokenizer);
      if (!tokens.ok()) return Annotate(tokens.status(), absl::StrCat(path, ":", number));
      prompts.push_back(*std::move(tokens));
    }
  }
  // A folder opens, and reads as nothing.
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  return prompts;
}

}  // namespace coterie

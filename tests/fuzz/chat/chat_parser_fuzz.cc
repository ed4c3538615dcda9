// An output of the model. The first byte says whether it starts in a channel and whether a stop
// token ended it; of the others those below 0x09 and from 0x0E to 0x15 are control tokens, and the
// rest is text.
//
// Beside not crashing: byte by byte the same is read as all at once, calls that begin end, and the
// arguments of a complete call are JSON.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "model/chat_parser.h"
#include "model/utf8.h"
#include "nlohmann/json.hpp"
#include "tests/model/chat/chat_tokenizers.h"

namespace coterie {
namespace {

const Tokenizer& TinyTokenizer() {
  static const Tokenizer* const tokenizer = ReadTokenizer("tiny").release();
  return *tokenizer;
}

// The control token that a byte stands for, -1 for text.
int32_t ControlOf(char c) {
  const auto byte = static_cast<uint8_t>(c);
  if (byte < 0x09) return byte;
  return byte >= 0x0E && byte <= 0x15 ? byte - 0x0E + 9 : -1;
}

class Reader {
 public:
  Reader(const ChatTokens& tokens, bool starts_in_channel)
      : parser_(&TinyTokenizer(), tokens, starts_in_channel) {}

  void Take(const std::vector<ChatEvent>& events) {
    for (const ChatEvent& event : events) {
      num_open_ += event.kind == ChatEvent::Kind::kCallBegin;
      num_open_ -= event.kind == ChatEvent::Kind::kCallEnd;
      num_open_ -= event.kind == ChatEvent::Kind::kCallBroken && event.call >= 0;
      CHECK(num_open_ == 0 || num_open_ == 1);
      output_.Add(event);
    }
  }

  ChatParser& parser() { return parser_; }

  std::string Show() const {
    CHECK_EQ(num_open_, 0);
    std::string shown = absl::StrCat(output_.reasoning, "|", output_.content);
    for (const auto& call : output_.calls) {
      absl::StrAppend(&shown, "|", call.name, call.arguments);
      CHECK(!IsValidUtf8(call.arguments) || nlohmann::json::accept(call.arguments))
          << call.arguments;
    }
    for (const auto& call : output_.broken_calls) absl::StrAppend(&shown, "|", call);
    return shown;
  }

 private:
  ChatParser parser_;
  ChatOutput output_;
  int num_open_ = 0;
};

void Run(absl::string_view input) {
  static const ChatTokens* const tokens = new ChatTokens(*ChatTokens::Create(TinyTokenizer()));
  const bool starts_in_channel = !input.empty() && (input[0] & 1) != 0;
  std::optional<int32_t> stop_token;
  if (!input.empty() && (input[0] & 2) != 0) stop_token = tokens->turn_end;
  Reader by_byte(*tokens, starts_in_channel), joined(*tokens, starts_in_channel);
  std::string text;
  for (char c : input.substr(input.empty() ? 0 : 1)) {
    const int32_t token = ControlOf(c);
    if (token < 0) {
      by_byte.Take(by_byte.parser().AppendText(absl::string_view(&c, 1)));
      text.push_back(c);
      continue;
    }
    const std::string& spelling = TinyTokenizer().vocabulary().tokens[token];
    by_byte.Take(by_byte.parser().Append(token, spelling));
    joined.Take(joined.parser().Append(token, text + spelling));
    text.clear();
  }
  joined.Take(joined.parser().AppendText(text));
  by_byte.Take(by_byte.parser().Finish(stop_token));
  joined.Take(joined.parser().Finish(stop_token));
  CHECK(by_byte.Show() == joined.Show()) << by_byte.Show() << "\n" << joined.Show();
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

#include "tests/model/chat/drawn_output.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "kernels/check.h"
#include "model/chat_segments.h"
#include "model/chat_value.h"
#include "tests/model/tokenizer/small_vocabulary.h"

namespace coterie {

DrawnOutput::DrawnOutput(const Tokenizer* tokenizer, uint64_t seed)
    : tokenizer_(tokenizer), tokens_(*ChatTokens::Create(*tokenizer)), random_(seed) {
  starts_in_channel = Chance(4);
  const int num_parts = static_cast<int>(random_() % 6);
  if (starts_in_channel) SayReasoning(/*in_open_channel=*/true, num_parts == 0);
  for (int i = 0; i < num_parts; ++i) {
    switch (random_() % 5) {
      case 0:
        SayReasoning(/*in_open_channel=*/false, i + 1 == num_parts);
        break;
      case 1:
      case 2:
        SayCall();
        break;
      case 3:
        SayContent();
        break;
      case 4:
        SayStray();
        break;
    }
  }
  if (Chance(2)) stop_token = Chance(2) ? tokens_.turn_end : tokens_.response_begin;
}

std::string DrawnOutput::Text(int num_characters_max) {
  static constexpr const char* kPieces[] = {"\n",   "\n\n", "thought\n", "call:", "{",   "}", "[",
                                            "]",    ",",    ":",         "\"",    "\\",  " ", "\t",
                                            "\x01", "<|",   "|>",        "<",     "null"};
  std::string text;
  const uint64_t num_pieces = random_() % 4;
  for (uint64_t i = 0; i < num_pieces; ++i) {
    // The random text spells <|turn> at times, and here no control token is to be spelled.
    text += absl::StrReplaceAll(
        RandomText(static_cast<int>(random_() % (num_characters_max + 1)), &random_),
        {{"<|turn>", "trn"}});
    if (Chance(2)) text += kPieces[random_() % std::size(kPieces)];
  }
  return text;
}

// Not empty, without colon and closing brace, without white space at its ends.
std::string DrawnOutput::Key() {
  std::string key = "k";
  for (char c : Text(4)) {
    if (c != ':' && c != '}') key += c;
  }
  return key + "y";
}

ChatJson DrawnOutput::Value(int depth) {
  static const double kNumbers[] = {0.0,    1.0, -2.5, 1e20, 1e-5, 5e-324, 1.7976931348623157e308,
                                    1.0 / 3};
  switch (random_() % (depth < 4 ? 9 : 7)) {
    case 0:
      return kNumbers[random_() % std::size(kNumbers)];
    case 1:
      return static_cast<int64_t>(random_()) >> (random_() % 64);
    case 2:
      return Chance(3) ? ChatJson() : ChatJson(Chance(2));
    case 7:
      return Object(depth + 1);
    case 8: {
      ChatJson list = ChatJson::array();
      for (uint64_t i = random_() % 4; i > 0; --i) list.push_back(Value(depth + 1));
      return list;
    }
    default:
      return Text(8);
  }
}

ChatJson DrawnOutput::Object(int depth) {
  ChatJson object = ChatJson::object();
  for (uint64_t i = random_() % 4; i > 0; --i) object[Key()] = Value(depth);
  return object;
}

void DrawnOutput::Say(absl::string_view text) {
  const std::vector<int32_t> said = *tokenizer_->Encode(text, ControlTokens::kPlainText);
  ids.insert(ids.end(), said.begin(), said.end());
}

void DrawnOutput::SayReasoning(bool in_open_channel, bool last) {
  if (!in_open_channel) ids.push_back(tokens_.channel_begin);
  std::string text = Text(20);
  const bool has_header = !in_open_channel && !Chance(8);
  // Without a header, none may be read into it.
  if (!in_open_channel && !has_header && (text.empty() || text[0] == 't')) text = "x" + text;
  if (Chance(2)) text += "\n";
  if (has_header) Say(kThoughtHeader);
  // The tokens of the text are its own, so that none spans header and text.
  Say(text);
  const bool cut = last && Chance(4);
  if (!cut) {
    text = std::string(absl::StripSuffix(text, "\n"));
    if (last || Chance(3)) {
      ids.push_back(tokens_.channel_end);
    } else {
      SayCall();
    }
  }
  if (text.empty()) return;
  if (!reasoning.empty()) reasoning += "\n";
  reasoning += text;
}

void DrawnOutput::SayContent() {
  const std::string text = Text(20);
  Say(text);
  content += text;
}

void DrawnOutput::SayCall() {
  static constexpr const char* kNames[] = {"f", "get_weather", "ns:tool/x", "日本"};
  Call call = {kNames[random_() % std::size(kNames)], Object(0)};
  ChatSegments segments;
  segments.Format("<|tool_call>call:");
  segments.Quote(call.name);
  CHECK(AppendChatValue(call.arguments, &segments).ok());
  segments.Format("<tool_call|>");
  const std::vector<int32_t> said = *EncodeChat(*tokenizer_, segments.Take());
  ids.insert(ids.end(), said.begin(), said.end());
  calls.push_back(std::move(call));
}

void DrawnOutput::SayStray() {
  static constexpr const char* kStrays[] = {"<channel|>", "<tool_call|>", "<|\"|>",
                                            "<pad>",      "<eos>",        "<unk>",
                                            "<|think|>",  "<turn|>",      "<tool|>"};
  for (uint64_t i = 1 + random_() % 2; i > 0; --i)
    ids.push_back(*tokenizer_->TokenId(kStrays[random_() % std::size(kStrays)]));
}

}  // namespace coterie

#include "model/chat_parser.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "kernels/status_macros.h"
#include "model/detokenizer.h"

namespace coterie {
namespace {

constexpr absl::string_view kCallPrefix = "call:";

// A head that goes on without a brace is no call. OpenAI's names have 64 characters at most.
constexpr size_t kCallHeadBytesMax = 512;

// Anything that can stand in one word; what names may be is for the tools to say.
bool IsToolName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<uint8_t>(c) > 0x20 && c != '}' && c != 0x7F;
  });
}

}  // namespace

ChatParser::ChatParser(const Tokenizer* tokenizer, const ChatTokens& tokens, bool starts_in_channel)
    : tokenizer_(tokenizer),
      tokens_(tokens),
      state_(starts_in_channel ? State::kChannel : State::kContent) {}

std::vector<ChatEvent> ChatParser::Append(int32_t token, absl::string_view piece) {
  const Vocabulary& vocabulary = tokenizer_->vocabulary();
  const bool is_control =
      token >= 0 && token < vocabulary.num_tokens() && tokenizer_->IsControl(token);
  if (!is_control) return AppendText(piece);
  const std::string spelling = absl::StrReplaceAll(vocabulary.tokens[token], {{"▁", " "}});
  TakeText(absl::StripSuffix(piece, spelling));
  TakeControl(token, spelling);
  return TakeEvents();
}

std::vector<ChatEvent> ChatParser::AppendText(absl::string_view text) {
  TakeText(text);
  return TakeEvents();
}

std::vector<ChatEvent> ChatParser::Finish(std::optional<int32_t> stop_token) {
  if (state_ == State::kChannelHeader) {
    // Cut off, the beginning of a header is no reasoning either.
    state_ = State::kChannel;
  } else if (state_ == State::kChannel && newline_held_) {
    // No end of the channel followed it.
    newline_held_ = false;
    EmitReasoning("\n");
  } else if (InCall()) {
    EndCall();
  }
  if (stop_token) end_ = num_calls_complete_ > 0 ? ChatEnd::kToolCalls : ChatEnd::kTurn;
  return TakeEvents();
}

std::vector<ChatEvent> ChatParser::TakeEvents() {
  return std::exchange(events_, std::vector<ChatEvent>());
}

void ChatParser::Emit(ChatEvent::Kind kind, absl::string_view text) {
  if (text.empty()) return;
  if (events_.empty() || events_.back().kind != kind) events_.push_back({.kind = kind});
  if (kind == ChatEvent::Kind::kArguments) events_.back().call = num_calls_ - 1;
  events_.back().text.append(text.data(), text.size());
}

void ChatParser::TakeText(absl::string_view text) {
  if (text.empty()) return;
  if (InCall()) raw_.append(text.data(), text.size());
  switch (state_) {
    case State::kContent:
      return Emit(ChatEvent::Kind::kContent, text);
    case State::kChannelHeader:
      return TakeHeader(text);
    case State::kChannel:
      return TakeReasoning(text);
    case State::kCallHead:
      return TakeCallHead(text);
    case State::kArguments:
      return TakeArguments(text);
    case State::kBrokenCall:
      return;
  }
}

void ChatParser::TakeControl(int32_t token, absl::string_view spelling) {
  if (InCall()) return TakeControlInCall(token, spelling);
  if (token == tokens_.channel_begin) {
    CloseChannel();
    state_ = State::kChannelHeader;
    header_.clear();
    channel_is_next_ = has_reasoned_;
  } else if (token == tokens_.channel_end) {
    CloseChannel();
  } else if (token == tokens_.call_begin) {
    CloseChannel();
    BeginCall();
  }
}

// Reasoning.

void ChatParser::TakeHeader(absl::string_view text) {
  header_.append(text.data(), text.size());
  if (header_.size() < kThoughtHeader.size() && absl::StartsWith(kThoughtHeader, header_)) return;
  state_ = State::kChannel;
  // Another header than the one we know is reasoning, so that nothing is lost.
  TakeReasoning(absl::StripPrefix(header_, kThoughtHeader));
}

void ChatParser::TakeReasoning(absl::string_view text) {
  if (text.empty()) return;
  std::string settled = newline_held_ ? "\n" : "";
  newline_held_ = absl::ConsumeSuffix(&text, "\n");
  settled.append(text.data(), text.size());
  if (!settled.empty()) EmitReasoning(settled);
}

void ChatParser::EmitReasoning(absl::string_view text) {
  if (channel_is_next_) Emit(ChatEvent::Kind::kReasoning, "\n");
  channel_is_next_ = false;
  has_reasoned_ = true;
  Emit(ChatEvent::Kind::kReasoning, text);
}

void ChatParser::CloseChannel() {
  if (state_ == State::kChannelHeader) {
    state_ = State::kChannel;
    // `thought` without its newline is a header all the same.
    if (header_ != absl::StripSuffix(kThoughtHeader, "\n")) TakeReasoning(header_);
  }
  newline_held_ = false;
  state_ = State::kContent;
}

// Calls.

void ChatParser::BeginCall() {
  state_ = State::kCallHead;
  raw_.assign(kCallBegin.data(), kCallBegin.size());
  head_.clear();
  arguments_ = CallArguments();
  call_has_begun_ = false;
}

void ChatParser::TakeCallHead(absl::string_view text) {
  const size_t brace = text.find('{');
  const absl::string_view more = text.substr(0, brace);
  head_.append(more.data(), more.size());
  if (brace == absl::string_view::npos && head_.size() <= kCallHeadBytesMax) return;
  absl::string_view name = head_;
  if (brace == absl::string_view::npos || head_.size() > kCallHeadBytesMax ||
      !absl::ConsumePrefix(&name, kCallPrefix) || !IsToolName(name)) {
    state_ = State::kBrokenCall;
    return;
  }
  events_.push_back({ChatEvent::Kind::kCallBegin, "", std::string(name), num_calls_});
  ++num_calls_;
  call_has_begun_ = true;
  state_ = State::kArguments;
  TakeArguments(text.substr(brace));
}

void ChatParser::TakeArguments(absl::string_view text) {
  std::string json;
  if (!arguments_.AppendText(text, &json)) state_ = State::kBrokenCall;
  Emit(ChatEvent::Kind::kArguments, json);
}

bool ChatParser::EndsCall(int32_t token) const {
  return token == tokens_.call_begin || token == tokens_.response_begin ||
         token == tokens_.turn_begin || token == tokens_.turn_end;
}

void ChatParser::TakeControlInCall(int32_t token, absl::string_view spelling) {
  if (EndsCall(token)) {
    EndCall();
    if (token == tokens_.call_begin) BeginCall();
    return;
  }
  raw_.append(spelling.data(), spelling.size());
  if (token == tokens_.call_end) {
    if (state_ == State::kArguments && arguments_.done()) {
      ++num_calls_complete_;
      events_.push_back({.kind = ChatEvent::Kind::kCallEnd, .call = num_calls_ - 1});
      state_ = State::kContent;
    } else {
      EndCall();
    }
    return;
  }
  std::string json;
  const bool holds =
      state_ == State::kArguments && token == tokens_.quote && arguments_.AppendQuote(&json);
  Emit(ChatEvent::Kind::kArguments, json);
  if (!holds) state_ = State::kBrokenCall;
}

// Without having been completed.
void ChatParser::EndCall() {
  events_.push_back({.kind = ChatEvent::Kind::kCallBroken, .text = std::exchange(raw_, "")});
  if (call_has_begun_) events_.back().call = num_calls_ - 1;
  state_ = State::kContent;
}

absl::StatusOr<ChatOutput> ParseChatOutput(const Tokenizer& tokenizer, const ChatTokens& tokens,
                                           std::span<const int32_t> output, bool starts_in_channel,
                                           std::optional<int32_t> stop_token) {
  ChatOutput folded;
  const auto add = [&](const std::vector<ChatEvent>& events) {
    for (const ChatEvent& event : events) folded.Add(event);
  };
  ChatParser parser(&tokenizer, tokens, starts_in_channel);
  Detokenizer detokenizer(&tokenizer.vocabulary(), ControlText::kShow);
  for (int32_t token : output) {
    ASSIGN_OR_RETURN(const std::string piece, detokenizer.Append(token));
    add(parser.Append(token, piece));
  }
  add(parser.AppendText(detokenizer.Finish()));
  add(parser.Finish(stop_token));
  folded.end = parser.end();
  return folded;
}

}  // namespace coterie

#include "router/frontend/choice_reader.h"

#include <utility>

#include "kernels/status_macros.h"

namespace coterie {
namespace {

ControlText ControlTextOf(const ChoiceReader::Options& options) {
  return options.chat || options.show_control ? ControlText::kShow : ControlText::kHide;
}

}  // namespace

ChoiceReader::ChoiceReader(const Tokenizer* tokenizer, Options options)
    : detokenizer_(&tokenizer->vocabulary(), ControlTextOf(options)),
      matcher_(std::move(options.stop)) {
  if (options.chat) parser_.emplace(tokenizer, *options.chat, options.starts_in_channel);
}

absl::Status ChoiceReader::Append(int32_t token, std::vector<ChatEvent>* events) {
  ASSIGN_OR_RETURN(std::string piece, detokenizer_.Append(token));
  if (parser_) {
    Take(parser_->Append(token, piece), events);
  } else {
    TakeContent(std::move(piece), events);
  }
  return absl::OkStatus();
}

void ChoiceReader::Finish(std::optional<int32_t> stop_token, std::vector<ChatEvent>* events) {
  std::string rest = detokenizer_.Finish();
  if (parser_) {
    Take(parser_->AppendText(rest), events);
    Take(parser_->Finish(stop_token), events);
  } else {
    TakeContent(std::move(rest), events);
  }
  if (stopped()) return;
  if (std::string held = matcher_.Finish(); !held.empty())
    events->push_back({.kind = ChatEvent::Kind::kContent, .text = std::move(held)});
}

void ChoiceReader::Take(std::vector<ChatEvent> parsed, std::vector<ChatEvent>* events) {
  for (ChatEvent& event : parsed) {
    if (stopped()) return;
    if (event.kind == ChatEvent::Kind::kContent) {
      TakeContent(std::move(event.text), events);
      continue;
    }
    // What was held back for a stop string stands before this.
    if (std::string held = matcher_.Finish(); !held.empty())
      events->push_back({.kind = ChatEvent::Kind::kContent, .text = std::move(held)});
    has_calls_ |= event.kind == ChatEvent::Kind::kCallEnd;
    events->push_back(std::move(event));
  }
}

void ChoiceReader::TakeContent(std::string text, std::vector<ChatEvent>* events) {
  std::string settled = matcher_.Append(text);
  if (!settled.empty())
    events->push_back({.kind = ChatEvent::Kind::kContent, .text = std::move(settled)});
}

bool ChoiceReader::wants_tool_results() const {
  return parser_ && has_calls_ && parser_->end() != ChatEnd::kCut;
}

}  // namespace coterie

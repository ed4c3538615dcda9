#include "router/openai/output_parts.h"

#include <utility>

namespace coterie {

std::vector<PartEvent> OutputParts::Take(const std::vector<ChatEvent>& events) {
  for (const ChatEvent& event : events) {
    switch (event.kind) {
      case ChatEvent::Kind::kReasoning:
        Append(OutputPart::Kind::kReasoning, event.text);
        break;
      case ChatEvent::Kind::kContent:
        Append(OutputPart::Kind::kText, event.text);
        break;
      case ChatEvent::Kind::kCallBegin:
        held_ = {.kind = OutputPart::Kind::kCall, .name = event.name};
        break;
      case ChatEvent::Kind::kArguments:
        held_.text += event.text;
        break;
      case ChatEvent::Kind::kCallEnd:
        held_.call_index = num_calls_++;
        Begin(std::exchange(held_, OutputPart()));
        End();
        break;
      case ChatEvent::Kind::kCallBroken:
        held_ = OutputPart();
        Append(OutputPart::Kind::kText, event.text);
        break;
    }
  }
  return std::exchange(events_, {});
}

std::vector<PartEvent> OutputParts::Finish() {
  End();
  return std::exchange(events_, {});
}

void OutputParts::Append(OutputPart::Kind kind, const std::string& text) {
  if (text.empty()) return;
  if (!open_ || parts_.back().kind != kind) Begin({.kind = kind});
  parts_.back().text += text;
  events_.push_back({PartEvent::Kind::kMore, parts_.size() - 1, text});
}

void OutputParts::Begin(OutputPart part) {
  End();
  open_ = true;
  const std::string text = part.text;
  parts_.push_back(std::move(part));
  events_.push_back({PartEvent::Kind::kBegin, parts_.size() - 1, ""});
  if (!text.empty()) events_.push_back({PartEvent::Kind::kMore, parts_.size() - 1, text});
}

void OutputParts::End() {
  if (open_) events_.push_back({PartEvent::Kind::kEnd, parts_.size() - 1, ""});
  open_ = false;
}

std::string OutputParts::TextOf(OutputPart::Kind kind) const {
  std::string text;
  for (const OutputPart& part : parts_) {
    if (part.kind == kind) text += part.text;
  }
  return text;
}

}  // namespace coterie

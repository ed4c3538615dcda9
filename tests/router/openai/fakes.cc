#include "tests/router/openai/fakes.h"

#include <algorithm>

#include "kernels/check.h"

namespace coterie {

ChatEvent Reasoning(std::string text) {
  return {.kind = ChatEvent::Kind::kReasoning, .text = std::move(text)};
}

ChatEvent Content(std::string text) {
  return {.kind = ChatEvent::Kind::kContent, .text = std::move(text)};
}

std::vector<ChatEvent> WholeCall(int call, std::string name, std::string arguments) {
  return {{.kind = ChatEvent::Kind::kCallBegin, .name = std::move(name), .call = call},
          {.kind = ChatEvent::Kind::kArguments, .text = std::move(arguments), .call = call},
          {.kind = ChatEvent::Kind::kCallEnd, .call = call}};
}

AnswerDelta Delta(std::vector<ChatEvent> events, int64_t choice) {
  return {.choice = choice, .events = std::move(events)};
}

AnswerDelta Last(FinishReason finish, int64_t choice) {
  return {.choice = choice, .finish = finish, .last = true};
}

AnswerDelta Failed(absl::Status status, int64_t choice) {
  return {.choice = choice, .status = std::move(status), .last = true};
}

Script ScriptOf(std::vector<std::vector<ChatEvent>> events, FinishReason finish) {
  Script script;
  for (auto& some : events) script.push_back({Delta(std::move(some))});
  script.push_back({Last(finish)});
  return script;
}

std::vector<AnswerDelta> FakeAnswer::Poll() {
  std::vector<AnswerDelta> deltas;
  if (script_.empty()) return deltas;
  deltas = std::move(script_.front());
  script_.pop_front();
  if (!script_.empty() && listener_) listener_();
  return deltas;
}

absl::StatusOr<std::unique_ptr<Answer>> FakeCompletions::Start(ChatRequest request) {
  chats.push_back(std::move(request));
  return Next();
}

absl::StatusOr<std::unique_ptr<Answer>> FakeCompletions::Start(TextRequest request) {
  texts.push_back(std::move(request));
  return Next();
}

absl::StatusOr<std::unique_ptr<Answer>> FakeCompletions::Next() {
  const size_t number = num_started_++;
  if (!refusal.ok() && number == refuse_at) return refusal;
  const Script& script = scripts[std::min(number, scripts.size() - 1)];
  return std::make_unique<FakeAnswer>(script, usage, &num_cancelled);
}

void RecordingSink::Send(WholeReply sent) {
  CHECK(!streams);
  ++num_replies;
  reply = std::move(sent);
}

void RecordingSink::BeginEvents(HttpHeaders headers) {
  CHECK_EQ(num_replies, 0);
  ++num_replies;
  streams = true;
  reply.headers = std::move(headers);
}

void RecordingSink::Write(std::string events) {
  CHECK(streams && !ended);
  reply.body += events;
}

void RecordingSink::End() {
  CHECK(streams && !ended);
  ended = true;
}

std::string RecordingSink::Header(const std::string& name) const {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace coterie

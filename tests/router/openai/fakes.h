// A Completions whose answers are written beforehand, and a sink that keeps what it is sent.
#ifndef COTERIE_TESTS_ROUTER_OPENAI_FAKES_H_
#define COTERIE_TESTS_ROUTER_OPENAI_FAKES_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "router/frontend/completions.h"
#include "router/openai/reply_sink.h"

namespace coterie {

// Events of a chat.
ChatEvent Reasoning(std::string text);
ChatEvent Content(std::string text);
std::vector<ChatEvent> WholeCall(int call, std::string name, std::string arguments);

AnswerDelta Delta(std::vector<ChatEvent> events, int64_t choice = 0);
AnswerDelta Last(FinishReason finish, int64_t choice = 0);
AnswerDelta Failed(absl::Status status, int64_t choice = 0);

// What a FakeAnswer gives at each Poll.
using Script = std::vector<std::vector<AnswerDelta>>;

// One delta a Poll, then the last one.
Script ScriptOf(std::vector<std::vector<ChatEvent>> events, FinishReason finish);

class FakeAnswer : public Answer {
 public:
  FakeAnswer(Script script, AnswerUsage usage, int* num_cancelled)
      : script_(script.begin(), script.end()), usage_(usage), num_cancelled_(num_cancelled) {}

  void SetListener(std::function<void()> listener) override { listener_ = std::move(listener); }
  std::vector<AnswerDelta> Poll() override;
  bool done() const override { return script_.empty(); }
  AnswerUsage usage() const override { return usage_; }
  void Cancel() override { ++*num_cancelled_; }

 private:
  std::deque<std::vector<AnswerDelta>> script_;
  const AnswerUsage usage_;
  int* const num_cancelled_;
  std::function<void()> listener_;
};

class FakeCompletions : public Completions {
 public:
  absl::StatusOr<std::unique_ptr<Answer>> Start(ChatRequest request) override;
  absl::StatusOr<std::unique_ptr<Answer>> Start(TextRequest request) override;

  // What the next answers say, in order; the last one again and again.
  std::vector<Script> scripts = {Script()};
  AnswerUsage usage = {
      .prompt_tokens = 9, .cached_tokens = 4, .generated_tokens = 5, .reasoning_tokens = 2};
  // Of the Start with this number, from 0.
  absl::Status refusal;
  size_t refuse_at = 0;

  std::vector<ChatRequest> chats;
  std::vector<TextRequest> texts;
  int num_cancelled = 0;

 private:
  absl::StatusOr<std::unique_ptr<Answer>> Next();
  size_t num_started_ = 0;
};

class RecordingSink : public ReplySink {
 public:
  void Send(WholeReply reply) override;
  void BeginEvents(HttpHeaders headers) override;
  void Write(std::string events) override;
  void End() override;
  void Wake() override { ++num_wakes; }
  bool full() const override { return is_full; }

  std::string Header(const std::string& name) const;

  int num_replies = 0;
  WholeReply reply;  // its body is the events when they are a stream
  bool streams = false;
  bool ended = false;
  bool is_full = false;
  int num_wakes = 0;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_ROUTER_OPENAI_FAKES_H_

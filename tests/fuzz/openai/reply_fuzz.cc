// What a model said: a line for each event, whose first byte is its kind and whose rest is its
// text.
//
// Beside not crashing: every event is JSON on one line, and a stream put together says what a whole
// reply says.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "model/chat_json.h"
#include "router/openai/chat_writer.h"
#include "router/openai/message_writer.h"
#include "router/openai/response_writer.h"
#include "router/openai/text_writer.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

// Begins, goes on with and ends calls as ChatParser does.
Script ReadScript(absl::string_view input) {
  std::vector<std::vector<ChatEvent>> deltas;
  bool in_call = false;
  int num_calls = 0;
  for (const absl::string_view line : absl::StrSplit(input, '\n')) {
    const int kind = line.empty() ? 0 : static_cast<uint8_t>(line[0]) % 5;
    ChatEvent event;
    event.text = std::string(line.substr(line.empty() ? 0 : 1));
    event.call = num_calls - 1;
    if (in_call) {
      event.kind = kind == 0   ? ChatEvent::Kind::kCallEnd
                   : kind == 1 ? ChatEvent::Kind::kCallBroken
                               : ChatEvent::Kind::kArguments;
      in_call = event.kind == ChatEvent::Kind::kArguments;
    } else if (kind == 0) {
      event.kind = ChatEvent::Kind::kCallBegin;
      event.name = event.text;
      event.call = num_calls++;
      in_call = true;
    } else {
      event.kind = kind == 1 ? ChatEvent::Kind::kReasoning : ChatEvent::Kind::kContent;
    }
    deltas.push_back({event});
  }
  if (in_call) deltas.push_back({{.kind = ChatEvent::Kind::kCallBroken, .call = num_calls - 1}});
  Script script = ScriptOf(std::move(deltas), FinishReason::kStop);
  for (auto& step : script) {
    for (AnswerDelta& delta : step) {
      for (const ChatEvent& event : delta.events) {
        delta.tokens.push_back({.text = event.text, .top = {{1, -1}}, .top_text = {event.text}});
      }
    }
  }
  return script;
}

std::string Write(ReplyWriter* writer, const Script& script) {
  std::string out = writer->Begin(AnswerUsage());
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) out += writer->Add(delta);
  }
  return out + writer->Finish(AnswerUsage());
}

using MakeWriter = std::unique_ptr<ReplyWriter> (*)(ReplyForm, ReplyStamp);

std::vector<ChatJson> Read(MakeWriter make, bool stream, const Script& script) {
  ReplyForm form = {.stream = stream, .logprobs = true};
  form.echo = ChatJson::object();
  const std::string out = Write(make(form, {.token = "t", .model = "m"}).get(), script);
  if (stream) return ReadEventJson(out);
  auto json = ParseChatJson(out);
  CHECK(json.ok()) << out;
  return {*std::move(json)};
}

void Run(absl::string_view input) {
  const Script script = ReadScript(input);
  for (const MakeWriter make : {MakeMessageWriter, MakeTextWriter}) {
    Read(make, false, script);
    Read(make, true, script);
  }
  const ChatJson whole_response = Read(MakeResponseWriter, false, script)[0];
  CHECK(Read(MakeResponseWriter, true, script).back()["response"] == whole_response);

  const ChatJson whole = Read(MakeChatWriter, false, script)[0]["choices"][0]["message"];
  std::string content;
  size_t num_calls = 0;
  for (const ChatJson& chunk : Read(MakeChatWriter, true, script)) {
    const ChatJson& delta = chunk["choices"][0]["delta"];
    content += delta.value("content", "");
    for (const ChatJson& call : delta.value("tool_calls", ChatJson::array())) {
      num_calls += call.contains("id");
    }
  }
  CHECK_EQ(num_calls, whole.value("tool_calls", ChatJson::array()).size());
  const ChatJson& whole_content = whole["content"];
  // Bytes that are no UTF-8 are replaced piece by piece in the one and at once in the other.
  if (content.find("\xEF\xBF\xBD") == std::string::npos) {
    CHECK_EQ(content, whole_content.is_null() ? "" : whole_content.get<std::string>());
  }
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

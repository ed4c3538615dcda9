// A stranger's request. The first byte is the endpoint, the rest is the body.
//
// Beside not crashing: there is one reply, it is JSON or a stream of JSON, and it is an error
// exactly when nothing was started.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "kernels/check.h"
#include "model/chat_json.h"
#include "router/openai/api.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

constexpr const char* kPaths[] = {"/v1/chat/completions", "/v1/completions", "/v1/messages",
                                  "/v1/responses", "/v1/messages/count_tokens"};

Script ScriptOfEverything() {
  return ScriptOf({{Reasoning("hm")}, {Content("Hi")}, WholeCall(0, "f", "{}")},
                  FinishReason::kStop);
}

void Run(absl::string_view input) {
  FakeCompletions completions;
  completions.scripts = {ScriptOfEverything()};
  uint64_t random = 0;
  Api::Options options;
  options.completions = &completions;
  options.pages.models = {"m"};
  options.now = [] { return absl::UnixEpoch(); };
  options.random = [&random] { return ++random; };
  options.count_tokens = [](const ChatRequest& request) {
    return static_cast<int64_t>(request.messages.size());
  };
  const Api api(options);
  ApiRequest request = {.method = "POST"};
  request.path = kPaths[input.empty() ? 0 : static_cast<uint8_t>(input[0]) % 5];
  request.body = std::string(input.substr(input.empty() ? 0 : 1));
  RecordingSink sink;
  const auto exchange = api.Handle(request, &sink);
  while (exchange != nullptr && !exchange->done()) exchange->Continue();

  CHECK_EQ(sink.num_replies, 1);
  const bool has_started = !completions.chats.empty() || !completions.texts.empty();
  if (sink.streams) {
    CHECK(sink.ended && has_started);
    ReadEventJson(sink.reply.body);
    return;
  }
  CHECK(ChatJson::accept(sink.reply.body)) << sink.reply.body;
  if (request.path != kPaths[4]) CHECK_EQ(has_started, sink.reply.status == 200);
}

}  // namespace
}  // namespace coterie

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  coterie::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

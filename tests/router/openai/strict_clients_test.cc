// Streams as strict clients put them together. Each client's rule is rewritten here in a few lines,
// with its strictness; what it arrives at must be what a whole reply says, however the answer was
// split on its way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/check.h"
#include "router/openai/chat_writer.h"
#include "router/openai/json_text.h"
#include "router/openai/message_writer.h"
#include "router/openai/response_writer.h"
#include "tests/router/openai/fakes.h"
#include "tests/router/openai/sse_reader.h"

namespace coterie {
namespace {

struct Call {
  std::string id, name, arguments;
  bool operator==(const Call&) const = default;
};

struct Message {
  std::string content, reasoning;
  std::vector<Call> calls;
  bool operator==(const Message&) const = default;
};

void PrintTo(const Message& message, std::ostream* out) {
  *out << message.content << "|" << message.reasoning;
  for (const Call& call : message.calls)
    *out << "|" << call.id << " " << call.name << call.arguments;
}

using Client = std::function<Message(const std::vector<ChatJson>&)>;

std::string StringOr(const ChatJson& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || found->is_null() ? "" : found->get<std::string>();
}

Message MessageOf(const ChatJson& json) {
  Message message = {StringOr(json, "content"), StringOr(json, "reasoning_content"), {}};
  for (const ChatJson& call : json.value("tool_calls", ChatJson::array())) {
    CHECK_EQ(call.at("type").get<std::string>(), "function");
    message.calls.push_back(
        {call.at("id"), call.at("function").at("name"), call.at("function").at("arguments")});
  }
  return message;
}

// openai-python and openai-node: strings are appended, numbers added, lists merged by index; only
// `index` and `type` are replaced.
void AccumulateDelta(const ChatJson& delta, ChatJson* sum) {
  for (const auto& [key, value] : delta.items()) {
    ChatJson& old = (*sum)[key];
    if (value.is_array()) {
      if (old.is_null()) old = ChatJson::array();
      for (const ChatJson& entry : value) {
        const auto index = entry.at("index").get<size_t>();
        CHECK(index <= old.size());
        if (index == old.size()) old.push_back(ChatJson::object());
        AccumulateDelta(entry, &old[index]);
      }
    } else if (old.is_null() || key == "index" || key == "type") {
      old = value;
    } else if (old.is_string() && value.is_string()) {
      old = old.get<std::string>() + value.get<std::string>();
    } else if (old.is_object() && value.is_object()) {
      AccumulateDelta(value, &old);
    }
  }
}

Message OpenAiSdk(const std::vector<ChatJson>& chunks) {
  ChatJson sum = ChatJson::object();
  for (const ChatJson& chunk : chunks) {
    for (const ChatJson& choice : chunk.at("choices")) AccumulateDelta(choice.at("delta"), &sum);
  }
  CHECK_EQ(sum.at("role").get<std::string>(), "assistant");
  return MessageOf(sum);
}

// LangChain: chunks of one index are one call unless their ids contradict; equal ids stay, names
// and arguments are appended.
Message LangChain(const std::vector<ChatJson>& chunks) {
  Message message;
  std::vector<int> indices;
  for (const ChatJson& chunk : chunks) {
    for (const ChatJson& choice : chunk.at("choices")) {
      const ChatJson& delta = choice.at("delta");
      message.content += StringOr(delta, "content");
      message.reasoning += StringOr(delta, "reasoning_content");
      for (const ChatJson& call : delta.value("tool_calls", ChatJson::array())) {
        const int index = call.at("index");
        const std::string id = StringOr(call, "id");
        size_t at = 0;
        while (at < indices.size() &&
               !(indices[at] == index &&
                 (id.empty() || message.calls[at].id.empty() || message.calls[at].id == id))) {
          ++at;
        }
        if (at == indices.size()) {
          indices.push_back(index);
          message.calls.emplace_back();
        }
        if (message.calls[at].id.empty()) message.calls[at].id = id;
        message.calls[at].name += StringOr(call.at("function"), "name");
        message.calls[at].arguments += StringOr(call.at("function"), "arguments");
      }
    }
  }
  return message;
}

// Vercel's AI SDK: the first chunk of an index must have id and name, or the run dies; a call is
// complete, and is run, as soon as its arguments are JSON; what comes after that is lost.
Message VercelAiSdk(const std::vector<ChatJson>& chunks) {
  Message message;
  std::map<int, size_t> places;
  std::map<int, bool> finished;
  for (const ChatJson& chunk : chunks) {
    if (chunk.at("choices").empty()) continue;
    const ChatJson& delta = chunk.at("choices")[0].at("delta");
    message.content += StringOr(delta, "content");
    message.reasoning += StringOr(delta, "reasoning_content");
    for (const ChatJson& call : delta.value("tool_calls", ChatJson::array())) {
      const int index = call.at("index");
      if (!places.contains(index)) {
        CHECK(call.contains("id") && call["id"].is_string()) << DumpJson(call);
        CHECK(call.at("function").contains("name")) << DumpJson(call);
        places[index] = message.calls.size();
        message.calls.push_back({call["id"], call["function"]["name"], ""});
      }
      CHECK(!finished[index]) << DumpJson(call);
      std::string& arguments = message.calls[places[index]].arguments;
      arguments += StringOr(call.at("function"), "arguments");
      finished[index] = ChatJson::accept(arguments);
    }
  }
  for (const auto& [index, is_finished] : finished) CHECK(is_finished);
  return message;
}

// Those that take `if (delta.id)` for the beginning of a new call, and only ever know the last one.
Message NewCallAtEachId(const std::vector<ChatJson>& chunks) {
  Message message;
  for (const ChatJson& chunk : chunks) {
    for (const ChatJson& choice : chunk.at("choices")) {
      const ChatJson& delta = choice.at("delta");
      message.content += StringOr(delta, "content");
      message.reasoning += StringOr(delta, "reasoning_content");
      for (const ChatJson& call : delta.value("tool_calls", ChatJson::array())) {
        if (call.contains("id")) message.calls.push_back({call["id"], "", ""});
        message.calls.back().name += StringOr(call.at("function"), "name");
        message.calls.back().arguments += StringOr(call.at("function"), "arguments");
      }
    }
  }
  return message;
}

// openai-agents: ids and names may be repeated but not change; the finish must not come before or
// with the last arguments.
Message OpenAiAgents(const std::vector<ChatJson>& chunks) {
  std::map<int, Call> calls;
  Message message;
  bool has_finished = false;
  for (const ChatJson& chunk : chunks) {
    for (const ChatJson& choice : chunk.at("choices")) {
      const ChatJson& delta = choice.at("delta");
      CHECK(!has_finished);
      has_finished = choice.at("finish_reason").is_string();
      if (has_finished) CHECK(delta.empty()) << DumpJson(delta);
      message.content += StringOr(delta, "content");
      message.reasoning += StringOr(delta, "reasoning_content");
      for (const ChatJson& json : delta.value("tool_calls", ChatJson::array())) {
        Call& call = calls[json.at("index")];
        const std::string id = StringOr(json, "id"), name = StringOr(json.at("function"), "name");
        CHECK(id.empty() || call.id.empty() || id == call.id);
        CHECK(name.empty() || call.name.empty() || name == call.name);
        if (!id.empty()) call.id = id;
        if (!name.empty()) call.name = name;
        call.arguments += StringOr(json.at("function"), "arguments");
      }
    }
  }
  CHECK(has_finished);
  for (const auto& [index, call] : calls) message.calls.push_back(call);
  return message;
}

// Those whose type of a chunk's call has no optional fields: all of them must be there every time.
Message AllFieldsRequired(const std::vector<ChatJson>& chunks) {
  Message message;
  std::map<int, Call> calls;
  for (const ChatJson& chunk : chunks) {
    for (const ChatJson& choice : chunk.at("choices")) {
      const ChatJson& delta = choice.at("delta");
      message.content += StringOr(delta, "content");
      message.reasoning += StringOr(delta, "reasoning_content");
      for (const ChatJson& json : delta.value("tool_calls", ChatJson::array())) {
        CHECK(json.contains("id") && json.contains("type")) << DumpJson(json);
        CHECK(json.at("function").contains("name")) << DumpJson(json);
        Call& call = calls[json.at("index")];
        call.id = json["id"];
        call.name = json["function"]["name"];
        call.arguments += json["function"].at("arguments").get<std::string>();
      }
    }
  }
  for (const auto& [index, call] : calls) message.calls.push_back(call);
  return message;
}

// The official client of Anthropic: blocks are appended to by index.
Message AnthropicSdk(const std::vector<ChatJson>& events) {
  Message message;
  ChatJson blocks = ChatJson::array();
  int open = -1;
  CHECK_EQ(events.front().at("type").get<std::string>(), "message_start");
  CHECK_EQ(events.back().at("type").get<std::string>(), "message_stop");
  for (const ChatJson& event : events) {
    const std::string type = event.at("type");
    if (type == "content_block_start") {
      CHECK_EQ(open, -1);
      open = event.at("index");
      CHECK_EQ(static_cast<size_t>(open), blocks.size());
      blocks.push_back(event.at("content_block"));
      blocks.back()["json"] = "";
    } else if (type == "content_block_delta") {
      CHECK_EQ(open, event.at("index").get<int>());
      const ChatJson& delta = event.at("delta");
      ChatJson& block = blocks[static_cast<size_t>(open)];
      for (const auto& [from, to] : std::map<std::string, std::string>{
               {"text", "text"}, {"thinking", "thinking"}, {"partial_json", "json"}}) {
        if (delta.contains(from))
          block[to] = block.at(to).get<std::string>() + delta[from].get<std::string>();
      }
    } else if (type == "content_block_stop") {
      CHECK_EQ(open, event.at("index").get<int>());
      open = -1;
    }
  }
  CHECK_EQ(open, -1);
  for (const ChatJson& block : blocks) {
    message.content += StringOr(block, "text");
    message.reasoning += StringOr(block, "thinking");
    if (block.at("type") == "tool_use")
      message.calls.push_back({block.at("id"), block.at("name"), block.at("json")});
  }
  return message;
}

// OpenAI's client of responses: items by place, numbered events, and a last one with everything.
Message ResponsesSdk(const std::vector<ChatJson>& events) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < events.size(); ++i) {
    const ChatJson& event = events[i];
    CHECK_EQ(event.at("sequence_number").get<size_t>(), i);
    const std::string type = event.at("type");
    if (type == "response.output_item.added") {
      CHECK_EQ(event.at("output_index").get<size_t>(), texts.size());
      texts.emplace_back();
    } else if (event.contains("delta")) {
      texts.at(event.at("output_index")) += event.at("delta").get<std::string>();
    } else if (type == "response.output_item.done") {
      CHECK_EQ(event.at("output_index").get<size_t>() + 1, texts.size());
    }
  }
  CHECK_EQ(events.back().at("type").get<std::string>(), "response.completed");
  Message message;
  const ChatJson& output = events.back().at("response").at("output");
  CHECK_EQ(output.size(), texts.size());
  for (size_t i = 0; i < output.size(); ++i) {
    const ChatJson& item = output[i];
    if (item.at("type") == "function_call") {
      CHECK_EQ(item.at("arguments").get<std::string>(), texts[i]);
      message.calls.push_back({item.at("call_id"), item.at("name"), texts[i]});
    } else {
      CHECK_EQ(item.at("content")[0].at("text").get<std::string>(), texts[i]);
      (item.at("type") == "message" ? message.content : message.reasoning) += texts[i];
    }
  }
  return message;
}

// One answer with everything in it.
std::vector<ChatEvent> Events() {
  std::vector<ChatEvent> events = {Reasoning("I should "), Reasoning("look."), Content("One "),
                                   Content("moment")};
  for (const auto& [index, name, arguments] :
       std::vector<std::tuple<int, std::string, std::string>>{
           {0, "get_weather", R"({"city":"Oslo","n":[1,{}]})"}, {1, "now", "{}"}}) {
    events.push_back({.kind = ChatEvent::Kind::kCallBegin, .name = name, .call = index});
    for (const char c : arguments) {
      events.push_back(
          {.kind = ChatEvent::Kind::kArguments, .text = std::string(1, c), .call = index});
    }
    events.push_back({.kind = ChatEvent::Kind::kCallEnd, .call = index});
  }
  events.push_back(Content("Done."));
  return events;
}

// The events in deltas that end at the places whose bit is set.
Script Split(const std::vector<ChatEvent>& events, uint64_t places) {
  std::vector<std::vector<ChatEvent>> deltas(1);
  for (size_t i = 0; i < events.size(); ++i) {
    deltas.back().push_back(events[i]);
    if ((places >> (i % 64) & 1) != 0) deltas.emplace_back();
  }
  return ScriptOf(std::move(deltas), FinishReason::kToolCalls);
}

using MakeWriter = std::unique_ptr<ReplyWriter> (*)(ReplyForm, ReplyStamp);

std::vector<ChatJson> Stream(MakeWriter make, const Script& script) {
  const auto writer = make({.stream = true, .include_usage = true, .echo = ChatJson::object()},
                           {.token = "t", .created = 7, .model = "m"});
  std::string out = writer->Begin(AnswerUsage());
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) out += writer->Add(delta);
  }
  return ReadEventJson(out + writer->Finish(AnswerUsage()));
}

Message Expected(const std::string& id_prefix) {
  return {"One momentDone.",
          "I should look.",
          {{absl::StrCat(id_prefix, "x0"), "get_weather", R"({"city":"Oslo","n":[1,{}]})"},
           {absl::StrCat(id_prefix, "x1"), "now", "{}"}}};
}

TEST(StrictClientsTest, AllArriveAtTheSameMessageHoweverItWasSplit) {
  const std::vector<std::pair<const char*, Client>> clients = {
      {"OpenAI SDK", OpenAiSdk},       {"LangChain", LangChain},
      {"Vercel AI SDK", VercelAiSdk},  {"a new call at each id", NewCallAtEachId},
      {"openai-agents", OpenAiAgents}, {"all fields required", AllFieldsRequired},
  };
  uint64_t places = 0;
  for (int round = 0; round < 200; ++round) {
    const Script script = Split(Events(), round == 0 ? 0 : round == 1 ? ~uint64_t{0} : places);
    places = places * 6364136223846793005U + 1442695040888963407U;
    const std::vector<ChatJson> chunks = Stream(MakeChatWriter, script);
    for (const auto& [name, client] : clients) {
      ASSERT_EQ(client(chunks), Expected("call_t0")) << name;
    }
    ASSERT_EQ(AnthropicSdk(Stream(MakeMessageWriter, script)), Expected("toolu_t"));
    ASSERT_EQ(ResponsesSdk(Stream(MakeResponseWriter, script)), Expected("call_t"));
  }
}

TEST(StrictClientsTest, AStreamSaysWhatAWholeReplySays) {
  const Script script = Split(Events(), 0x5A5A5A5A);
  const auto writer = MakeChatWriter({}, {.token = "t", .created = 7, .model = "m"});
  for (const auto& deltas : script) {
    for (const AnswerDelta& delta : deltas) writer->Add(delta);
  }
  const auto whole = ParseChatJson(writer->Finish(AnswerUsage()));
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(MessageOf(whole->at("choices")[0].at("message")), Expected("call_t0"));
}

// vllm#42696: the form that broke agents had chunks without id and name; the one that was to
// replace it repeats them, which breaks those that begin a new call at each id.
TEST(StrictClientsTest, ACallIsOneChunkWithIdNameAndAllArguments) {
  std::map<int, int> num_chunks;
  for (const ChatJson& chunk : Stream(MakeChatWriter, Split(Events(), ~uint64_t{0}))) {
    for (const ChatJson& choice : chunk.at("choices")) {
      for (const ChatJson& call : choice.at("delta").value("tool_calls", ChatJson::array())) {
        ++num_chunks[call.at("index")];
        EXPECT_TRUE(call.at("id").is_string());
        EXPECT_EQ(call.at("type"), "function");
        EXPECT_TRUE(call.at("function").at("name").is_string());
        EXPECT_TRUE(ChatJson::accept(call.at("function").at("arguments").get<std::string>()));
      }
    }
  }
  EXPECT_EQ(num_chunks, (std::map<int, int>{{0, 1}, {1, 1}}));
}

}  // namespace
}  // namespace coterie

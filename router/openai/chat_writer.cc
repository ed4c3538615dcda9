#include "router/openai/chat_writer.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/chat_json.h"
#include "router/openai/json_text.h"
#include "router/openai/output_parts.h"
#include "router/openai/reply_parts.h"
#include "router/openai/sse.h"

namespace coterie {
namespace {

struct Choice {
  OutputParts parts;
  ChoiceEnd end;
  bool has_begun = false;
  std::vector<AnswerToken> tokens;  // of a whole reply, when logprobs are asked for
};

std::string CallId(const ReplyStamp& stamp, int64_t choice, int call_index) {
  return absl::StrCat("call_", stamp.token, choice, "x", call_index);
}

ChatJson Frame(const char* object, const ReplyStamp& stamp) {
  return {{"id", absl::StrCat("chatcmpl-", stamp.token)},
          {"object", object},
          {"created", stamp.created},
          {"model", stamp.model},
          {"system_fingerprint", stamp.fingerprint}};
}

class ChatStream : public ReplyWriter {
 public:
  ChatStream(ReplyForm form, ReplyStamp stamp) : form_(std::move(form)), stamp_(std::move(stamp)) {}

  std::string Begin(const AnswerUsage& /*usage*/) override { return ""; }

  std::string Add(const AnswerDelta& delta) override {
    Choice& choice = choices_[delta.choice];
    std::string out;
    if (!std::exchange(choice.has_begun, true)) {
      out += Chunk(delta.choice, {{"role", "assistant"}, {"content", ""}});
    }
    if (form_.logprobs) tokens_ = delta.tokens;
    for (const PartEvent& event : choice.parts.Take(delta.events)) {
      out += Write(delta.choice, choice.parts.parts()[event.part], event);
    }
    // Tokens that settled no text: half of a character, a call under way.
    if (!tokens_.empty()) out += Chunk(delta.choice, ChatJson::object());
    if (delta.last) {
      choice.end.Take(delta, form_);
      choice.end.has_calls = choice.parts.num_calls() > 0;
      out += Chunk(delta.choice, ChatJson::object(), &choice.end);
    }
    return out;
  }

  std::string Finish(const AnswerUsage& usage) override {
    std::string out;
    if (form_.include_usage) {
      ChatJson chunk = Frame(kChunk, stamp_);
      chunk["choices"] = ChatJson::array();
      chunk["usage"] = UsageJson(usage);
      out = SseData(DumpJson(chunk));
    }
    return out + SseData("[DONE]");
  }

  std::string Fail(const ApiError& error) override { return SseData(error.OpenAiJson()); }

 private:
  static constexpr char kChunk[] = "chat.completion.chunk";

  std::string Write(int64_t choice, const OutputPart& part, const PartEvent& event) {
    const bool is_call = part.kind == OutputPart::Kind::kCall;
    if (event.kind == PartEvent::Kind::kMore) {
      if (part.kind == OutputPart::Kind::kText) return Chunk(choice, {{"content", event.text}});
      if (!is_call) return Chunk(choice, {{"reasoning_content", event.text}});
    }
    if (!is_call || event.kind != PartEvent::Kind::kBegin) return "";
    // Whole, in one chunk: some clients want id, type and name in every chunk of a call, others
    // take an id for the beginning of a new one.
    ChatJson call = {{"index", part.call_index},
                     {"id", CallId(stamp_, choice, part.call_index)},
                     {"type", "function"}};
    call["function"] = {{"name", part.name}, {"arguments", part.text}};
    ChatJson delta;
    delta["tool_calls"].push_back(std::move(call));
    return Chunk(choice, std::move(delta));
  }

  // Takes along what is known of the tokens.
  std::string Chunk(int64_t choice, ChatJson delta, const ChoiceEnd* end = nullptr) {
    ChatJson json = {{"index", choice}};
    json["delta"] = std::move(delta);
    json["logprobs"] = nullptr;
    if (!tokens_.empty()) {
      json["logprobs"] = {{"content", LogprobsJson(std::exchange(tokens_, {}))},
                          {"refusal", nullptr}};
    }
    json["finish_reason"] = nullptr;
    if (end != nullptr) {
      json["finish_reason"] = FinishReasonName(*end);
      ChatJson reason = StopReason(*end);
      if (!reason.is_null()) json["stop_reason"] = std::move(reason);
    }
    ChatJson chunk = Frame(kChunk, stamp_);
    chunk["choices"].push_back(std::move(json));
    if (form_.include_usage) chunk["usage"] = nullptr;
    return SseData(DumpJson(chunk));
  }

  const ReplyForm form_;
  const ReplyStamp stamp_;
  std::map<int64_t, Choice> choices_;
  std::vector<AnswerToken> tokens_;  // of this delta, not yet told of
};

class WholeChat : public ReplyWriter {
 public:
  WholeChat(ReplyForm form, ReplyStamp stamp) : form_(std::move(form)), stamp_(std::move(stamp)) {}

  std::string Begin(const AnswerUsage& /*usage*/) override { return ""; }

  std::string Add(const AnswerDelta& delta) override {
    Choice& choice = choices_[delta.choice];
    choice.parts.Take(delta.events);
    if (form_.logprobs) {
      choice.tokens.insert(choice.tokens.end(), delta.tokens.begin(), delta.tokens.end());
    }
    if (delta.last) choice.end.Take(delta, form_);
    return "";
  }

  std::string Finish(const AnswerUsage& usage) override {
    ChatJson reply = Frame("chat.completion", stamp_);
    reply["choices"] = ChatJson::array();
    for (auto& [index, choice] : choices_) {
      choice.end.has_calls = choice.parts.num_calls() > 0;
      reply["choices"].push_back(ChoiceJson(index, choice));
    }
    reply["usage"] = UsageJson(usage);
    return DumpJson(reply);
  }

  std::string Fail(const ApiError& error) override { return error.OpenAiJson(); }

 private:
  ChatJson MessageJson(int64_t index, const Choice& choice) const {
    const std::string content = choice.parts.TextOf(OutputPart::Kind::kText);
    const std::string reasoning = choice.parts.TextOf(OutputPart::Kind::kReasoning);
    ChatJson message = {{"role", "assistant"}, {"content", content}, {"refusal", nullptr}};
    if (!reasoning.empty()) message["reasoning_content"] = reasoning;
    if (choice.parts.num_calls() == 0) return message;
    if (content.empty()) message["content"] = nullptr;
    for (const OutputPart& part : choice.parts.parts()) {
      if (part.kind != OutputPart::Kind::kCall) continue;
      ChatJson call = {{"id", CallId(stamp_, index, part.call_index)}, {"type", "function"}};
      call["function"] = {{"name", part.name}, {"arguments", part.text}};
      message["tool_calls"].push_back(std::move(call));
    }
    return message;
  }

  ChatJson ChoiceJson(int64_t index, const Choice& choice) const {
    ChatJson json = {{"index", index}};
    json["message"] = MessageJson(index, choice);
    json["logprobs"] = nullptr;
    if (form_.logprobs) {
      json["logprobs"] = {{"content", LogprobsJson(choice.tokens)}, {"refusal", nullptr}};
    }
    json["finish_reason"] = FinishReasonName(choice.end);
    ChatJson reason = StopReason(choice.end);
    if (!reason.is_null()) json["stop_reason"] = std::move(reason);
    return json;
  }

  const ReplyForm form_;
  const ReplyStamp stamp_;
  std::map<int64_t, Choice> choices_;
};

}  // namespace

std::unique_ptr<ReplyWriter> MakeChatWriter(ReplyForm form, ReplyStamp stamp) {
  if (form.stream) return std::make_unique<ChatStream>(std::move(form), std::move(stamp));
  return std::make_unique<WholeChat>(std::move(form), std::move(stamp));
}

}  // namespace coterie

#include "router/openai/text_writer.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/chat_json.h"
#include "router/openai/json_text.h"
#include "router/openai/reply_parts.h"
#include "router/openai/sse.h"

namespace coterie {
namespace {

// OpenAI's older form of logprobs: columns rather than rows.
class Columns {
 public:
  Columns() {
    for (const char* name : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
      json_[name] = ChatJson::array();
    }
  }

  // `offset` counts the characters of all tokens before, and goes on.
  void Add(const AnswerToken& token, int64_t* offset) {
    json_["tokens"].push_back(token.text);
    json_["token_logprobs"].push_back(JsonLogprob(token.logprob));
    ChatJson top = ChatJson::object();
    for (size_t i = 0; i < token.top.size() && i < token.top_text.size(); ++i) {
      // Two tokens can have one spelling; the likelier counts.
      if (!top.contains(token.top_text[i]))
        top[token.top_text[i]] = JsonLogprob(token.top[i].second);
    }
    json_["top_logprobs"].push_back(std::move(top));
    json_["text_offset"].push_back(*offset);
    *offset += std::count_if(token.text.begin(), token.text.end(),
                             [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
  }

  ChatJson Take() { return std::exchange(json_, Columns().json_); }

 private:
  ChatJson json_;
};

std::string TextOf(const AnswerDelta& delta) {
  std::string text;
  for (const ChatEvent& event : delta.events) text += event.text;
  return text;
}

class TextWriter : public ReplyWriter {
 public:
  TextWriter(ReplyForm form, ReplyStamp stamp) : form_(std::move(form)), stamp_(std::move(stamp)) {}

  std::string Begin(const AnswerUsage& /*usage*/) override { return ""; }
  std::string Fail(const ApiError& error) override {
    return form_.stream ? SseData(error.OpenAiJson()) : error.OpenAiJson();
  }

 protected:
  ChatJson Frame() const {
    return {{"id", absl::StrCat("cmpl-", stamp_.token)},
            {"object", "text_completion"},
            {"created", stamp_.created},
            {"model", stamp_.model},
            {"system_fingerprint", stamp_.fingerprint}};
  }

  static ChatJson ChoiceJson(int64_t index, std::string text, ChatJson logprobs) {
    ChatJson json = {{"text", std::move(text)}, {"index", index}};
    json["logprobs"] = std::move(logprobs);
    json["finish_reason"] = nullptr;
    return json;
  }

  static void SetEnd(const ChoiceEnd& end, ChatJson* json) {
    (*json)["finish_reason"] = FinishReasonName(end);
    ChatJson reason = StopReason(end);
    if (!reason.is_null()) (*json)["stop_reason"] = std::move(reason);
  }

  const ReplyForm form_;
  const ReplyStamp stamp_;
};

class TextStream : public TextWriter {
 public:
  using TextWriter::TextWriter;

  std::string Add(const AnswerDelta& delta) override {
    std::string text = TextOf(delta);
    ChatJson logprobs;
    if (form_.logprobs && !delta.tokens.empty()) {
      Columns columns;
      for (const AnswerToken& token : delta.tokens) columns.Add(token, &offsets_[delta.choice]);
      logprobs = columns.Take();
    }
    if (text.empty() && logprobs.is_null() && !delta.last) return "";
    ChatJson json = ChoiceJson(delta.choice, std::move(text), std::move(logprobs));
    if (delta.last) {
      ChoiceEnd end;
      end.Take(delta, form_);
      SetEnd(end, &json);
    }
    ChatJson chunk = Frame();
    chunk["choices"].push_back(std::move(json));
    if (form_.include_usage) chunk["usage"] = nullptr;
    return SseData(DumpJson(chunk));
  }

  std::string Finish(const AnswerUsage& usage) override {
    std::string out;
    if (form_.include_usage) {
      ChatJson chunk = Frame();
      chunk["choices"] = ChatJson::array();
      chunk["usage"] = UsageJson(usage);
      out = SseData(DumpJson(chunk));
    }
    return out + SseData("[DONE]");
  }

 private:
  std::map<int64_t, int64_t> offsets_;  // by choice
};

class WholeText : public TextWriter {
 public:
  using TextWriter::TextWriter;

  std::string Add(const AnswerDelta& delta) override {
    Choice& choice = choices_[delta.choice];
    choice.text += TextOf(delta);
    if (form_.logprobs) {
      for (const AnswerToken& token : delta.tokens) choice.columns.Add(token, &choice.offset);
    }
    if (delta.last) choice.end.Take(delta, form_);
    return "";
  }

  std::string Finish(const AnswerUsage& usage) override {
    ChatJson reply = Frame();
    reply["choices"] = ChatJson::array();
    for (auto& [index, choice] : choices_) {
      ChatJson json =
          ChoiceJson(index, choice.text, form_.logprobs ? choice.columns.Take() : ChatJson());
      SetEnd(choice.end, &json);
      reply["choices"].push_back(std::move(json));
    }
    reply["usage"] = UsageJson(usage);
    return DumpJson(reply);
  }

 private:
  struct Choice {
    std::string text;
    Columns columns;
    int64_t offset = 0;
    ChoiceEnd end;
  };
  std::map<int64_t, Choice> choices_;
};

}  // namespace

std::unique_ptr<ReplyWriter> MakeTextWriter(ReplyForm form, ReplyStamp stamp) {
  if (form.stream) return std::make_unique<TextStream>(std::move(form), std::move(stamp));
  return std::make_unique<WholeText>(std::move(form), std::move(stamp));
}

}  // namespace coterie

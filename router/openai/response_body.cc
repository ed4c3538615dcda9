#include "router/openai/response_body.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/conversation.h"
#include "router/openai/field_reader.h"
#include "router/openai/json_text.h"
#include "router/openai/option_fields.h"
#include "router/openai/response_items.h"
#include "router/openai/thinking_fields.h"
#include "router/openai/tool_fields.h"

namespace coterie {
namespace {

constexpr char kStateless[] = "this server keeps no conversations; send them whole in `input`";

void RefuseOthers(FieldReader* fields) {
  fields->Refuse("previous_response_id", kStateless);
  fields->Refuse("conversation", kStateless);
  fields->Refuse("background", kStateless);
  fields->Refuse("prompt", "this server keeps no prompts");
  fields->PassOver({"user", "metadata", "store", "service_tier", "safety_identifier",
                    "prompt_cache_retention", "prompt_cache_options", "truncation",
                    "max_tool_calls", "stream_options", "moderation", "context_management",
                    "client_metadata"});
}

void ReadInclude(FieldReader* fields, CompletionOptions* options) {
  fields->Int("top_logprobs", 0, kTopLogprobsMax, &options->top_logprobs);
  options->logprobs = options->top_logprobs > 0;
  const ChatJson* include = fields->List("include", kToolsMax);
  if (include == nullptr) return;
  for (const ChatJson& name : *include) {
    // The others speak of what this server does not have.
    if (name == "message.output_text.logprobs") options->logprobs = true;
  }
}

void ReadNested(FieldReader* fields, ChatRequest* request) {
  if (const ChatJson* reasoning = fields->Object("reasoning")) {
    FieldReader inner(*reasoning, "reasoning");
    ReadEffort("effort", &inner, request);
    fields->Update(inner.status());
  }
  ReadThinking(fields, request);
  if (const ChatJson* text = fields->Object("text")) {
    FieldReader inner(*text, "text");
    if (const ChatJson* format = inner.Object("format")) {
      inner.Update(
          ReadResponseFormat(*format, "text.format", /*nested=*/false, &request->response_format));
    }
    fields->Update(inner.status());
  }
}

absl::Status ReadInput(FieldReader* fields, ChatRequest* request) {
  Conversation conversation;
  std::string instructions;
  fields->String("instructions", SIZE_MAX, &instructions);
  fields->Require("input");
  RETURN_IF_ERROR(fields->status());
  if (!instructions.empty()) conversation.AddSystem(std::move(instructions));
  const ChatJson& input = *fields->Find("input");
  if (input.is_string()) {
    ChatMessage message;
    message.content = input;
    conversation.Add(std::move(message));
  } else if (input.is_array()) {
    fields->List("input", kMessagesMax);
    RETURN_IF_ERROR(fields->status());
    RETURN_IF_ERROR(AddResponseItems(input, &conversation));
  } else {
    fields->Fail("input", absl::StrCat("is ", TypeOf(input), ", expected a string or an array"));
  }
  if (conversation.messages().empty()) fields->Fail("input", "is empty");
  request->messages = conversation.Take();
  return fields->status();
}

// The reply has every field of the request, with what holds where the request said nothing.
ChatJson Echo(const ChatJson& body, const ChatRequest& request) {
  ChatJson echo = {{"parallel_tool_calls", request.parallel_tool_calls},
                   {"truncation", "disabled"},
                   {"store", false}};
  const auto repeat = [&](const char* name, const ChatJson& missing) {
    const auto found = body.find(name);
    echo[name] = found == body.end() || found->is_null() ? missing : *found;
  };
  repeat("instructions", nullptr);
  repeat("max_output_tokens", nullptr);
  repeat("temperature", 1);
  repeat("top_p", 1);
  repeat("metadata", ChatJson::object());
  repeat("reasoning", {{"effort", nullptr}, {"summary", nullptr}});
  repeat("text", {{"format", {{"type", "text"}}}});
  repeat("tool_choice", "auto");
  repeat("tools", ChatJson::array());
  return echo;
}

}  // namespace

absl::StatusOr<ChatBody> ReadResponseBody(const ChatJson& body, const ChatRequest& defaults) {
  FieldReader fields(body);
  ChatBody chat;
  ChatRequest& request = chat.request;
  request = defaults;
  request.options = OpenAiDefaults();
  fields.String("model", SIZE_MAX, &chat.form.model);
  fields.Bool("stream", &chat.form.stream);
  RefuseOthers(&fields);
  ReadSampling(&fields, &request.options);
  ReadStop("stop", &fields, &request.options);
  ReadSession(&fields, &request.options);
  ReadInclude(&fields, &request.options);
  fields.Int("max_output_tokens", 1, INT64_MAX, &request.options.max_tokens);
  ReadNested(&fields, &request);
  ReadTools(ToolShape::kFlat, &fields, &request);
  ReadToolChoice(ToolShape::kFlat, &fields, &request);
  RETURN_IF_ERROR(ReadInput(&fields, &request));
  chat.form.logprobs = request.options.logprobs;
  chat.form.stop_ids = request.options.stop_ids;
  chat.form.echo = Echo(body, request);
  chat.form.unread = fields.Unread();
  return chat;
}

}  // namespace coterie

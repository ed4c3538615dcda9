#include "router/openai/chat_body.h"

#include <string>
#include <utility>

#include "kernels/status_macros.h"
#include "router/openai/conversation.h"
#include "router/openai/message_list.h"
#include "router/openai/option_fields.h"
#include "router/openai/thinking_fields.h"
#include "router/openai/tool_fields.h"

namespace coterie {
namespace {

constexpr char kTextOnly[] = "this model is served for text only";

void RefuseOthers(FieldReader* fields) {
  fields->Refuse("functions", "it was replaced by `tools`");
  fields->Refuse("function_call", "it was replaced by `tool_choice`");
  fields->Refuse("audio", kTextOnly);
  fields->Refuse("web_search_options", "this server does not search");
  fields->Refuse("prediction", "this server has no use for predicted outputs");
  fields->Refuse("prompt_logprobs", "only tokens of the answer have log probabilities");
  const ChatJson* modalities = fields->List("modalities", kToolsMax);
  if (modalities != nullptr && *modalities != ChatJson::array({"text"}))
    fields->Fail("modalities", kTextOnly);
  fields->PassOver({"user", "metadata", "store", "service_tier", "safety_identifier", "verbosity",
                    "prompt_cache_retention", "prompt_cache_options", "moderation",
                    "skip_special_tokens", "spaces_between_special_tokens", "add_generation_prompt",
                    "include_reasoning", "separate_reasoning", "stream_reasoning"});
}

void ReadLogprobs(FieldReader* fields, CompletionOptions* options) {
  fields->Bool("logprobs", &options->logprobs);
  fields->Int("top_logprobs", 0, kTopLogprobsMax, &options->top_logprobs);
  if (options->top_logprobs > 0 && !options->logprobs)
    fields->Fail("top_logprobs", "needs `logprobs` to be true");
}

}  // namespace

absl::Status ReadResponseFormat(const ChatJson& json, const std::string& path, bool nested,
                                ResponseFormat* format) {
  FieldReader fields(json, path);
  int kind = 0;
  fields.Require("type");
  fields.OneOf("type", {"text", "json_object", "json_schema"}, &kind);
  RETURN_IF_ERROR(fields.status());
  format->kind = static_cast<ResponseFormat::Kind>(kind);
  if (format->kind != ResponseFormat::Kind::kJsonSchema) return absl::OkStatus();
  if (nested) fields.Require("json_schema");
  const ChatJson* outer = nested ? fields.Object("json_schema") : &json;
  RETURN_IF_ERROR(fields.status());
  FieldReader inner(*outer, nested ? fields.PathOf("json_schema") : path);
  inner.Require("schema");
  const ChatJson* schema = inner.Object("schema");
  RETURN_IF_ERROR(inner.status());
  format->schema = *schema;
  return absl::OkStatus();
}

absl::StatusOr<ChatBody> ReadChatBody(const ChatJson& body, const ChatRequest& defaults) {
  FieldReader fields(body);
  ChatBody chat;
  ChatRequest& request = chat.request;
  request = defaults;
  request.options = OpenAiDefaults();
  ReadForm(&fields, &chat.form);
  RefuseOthers(&fields);
  ReadSampling(&fields, &request.options);
  ReadStop("stop", &fields, &request.options);
  ReadSession(&fields, &request.options);
  RefuseOtherServersFields(&fields);
  ReadLogprobs(&fields, &request.options);
  fields.Int("n", 1, kChoicesMax, &request.options.num_choices);
  fields.Int("max_tokens", 1, INT64_MAX, &request.options.max_tokens);
  fields.Int("max_completion_tokens", 1, INT64_MAX, &request.options.max_tokens);
  ReadEffort("reasoning_effort", &fields, &request);
  ReadThinking(&fields, &request);
  ReadTools(ToolShape::kNested, &fields, &request);
  ReadToolChoice(ToolShape::kNested, &fields, &request);
  if (const ChatJson* format = fields.Find("response_format")) {
    fields.Update(ReadResponseFormat(*format, "response_format", true, &request.response_format));
  }
  fields.Require("messages");
  const ChatJson* messages = fields.List("messages", kMessagesMax);
  if (messages != nullptr && messages->empty()) fields.Fail("messages", "is empty");
  RETURN_IF_ERROR(fields.status());
  ASSIGN_OR_RETURN(request.messages, ReadMessageList(*messages));
  chat.form.logprobs = request.options.logprobs;
  chat.form.stop_ids = request.options.stop_ids;
  chat.form.unread = fields.Unread();
  return chat;
}

}  // namespace coterie

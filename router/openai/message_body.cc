#include "router/openai/message_body.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/openai/field_reader.h"
#include "router/openai/message_blocks.h"
#include "router/openai/option_fields.h"
#include "router/openai/thinking_fields.h"
#include "router/openai/tool_fields.h"

namespace coterie {
namespace {

absl::Status ReadTool(const ChatJson& json, const std::string& path, ChatRequest* request) {
  FieldReader fields(json, path);
  std::string type = "custom";
  fields.String("type", 64, &type);
  if (fields.status().ok() && type != "custom") {
    fields.Fail("type", absl::StrCat("is \"", type,
                                     "\"; this server runs no tools, it takes those with an "
                                     "`input_schema`"));
  }
  RETURN_IF_ERROR(fields.status());
  ASSIGN_OR_RETURN(ChatJson tool, ReadFunction(&fields, "input_schema"));
  request->tools.push_back(std::move(tool));
  return absl::OkStatus();
}

void ReadMessageTools(FieldReader* fields, ChatRequest* request) {
  const ChatJson* tools = fields->List("tools", kToolsMax);
  for (size_t i = 0; tools != nullptr && i < tools->size() && fields->status().ok(); ++i) {
    fields->Update(ReadTool((*tools)[i], absl::StrCat("tools[", i, "]"), request));
  }
  const ChatJson* choice = fields->Object("tool_choice");
  if (choice == nullptr) return;
  FieldReader inner(*choice, "tool_choice");
  int type = 0;
  bool one_at_a_time = false;
  inner.Require("type");
  inner.OneOf("type", {"auto", "none", "any", "tool"}, &type);
  inner.Bool("disable_parallel_tool_use", &one_at_a_time);
  request->parallel_tool_calls = !one_at_a_time;
  request->tool_choice = static_cast<ToolChoice>(type);
  if (request->tool_choice == ToolChoice::kNamed) {
    inner.Require("name");
    inner.String("name", kToolNameBytesMax, &request->tool_name);
  }
  fields->Update(inner.status());
  if (fields->status().ok()) fields->Update(CheckToolChoice(*request));
}

void ReadMessageThinking(FieldReader* fields, ChatRequest* request) {
  if (const ChatJson* output = fields->Object("output_config")) {
    FieldReader inner(*output, "output_config");
    const bool thinks = request->enable_thinking;
    ReadEffort("effort", &inner, request);
    // Here an effort says how much of everything; whether to reason is for `thinking` to say.
    request->enable_thinking = thinks;
    if (const ChatJson* format = inner.Object("format")) {
      inner.Update(ReadResponseFormat(*format, "output_config.format", /*nested=*/false,
                                      &request->response_format));
    }
    fields->Update(inner.status());
  }
  const ChatJson* thinking = fields->Object("thinking");
  if (thinking == nullptr) return;
  FieldReader inner(*thinking, "thinking");
  int type = 0;
  inner.Require("type");
  inner.OneOf("type", {"disabled", "enabled", "adaptive"}, &type);
  request->enable_thinking = type != 0;
  if (inner.Has("budget_tokens")) {
    int64_t budget = 0;
    inner.Int("budget_tokens", 1, INT64_MAX, &budget);
    request->thinking_budget = budget;
  }
  fields->Update(inner.status());
}

// Claude Code names its session in metadata.user_id.
void ReadMetadata(FieldReader* fields, CompletionOptions* options) {
  const ChatJson* metadata = fields->Object("metadata");
  if (metadata == nullptr || !options->session_id.empty()) return;
  FieldReader inner(*metadata, "metadata");
  inner.String("user_id", 1024, &options->session_id);
  fields->Update(inner.status());
}

}  // namespace

absl::StatusOr<ChatBody> ReadMessageBody(const ChatJson& body, const ChatRequest& defaults) {
  FieldReader fields(body);
  ChatBody chat;
  ChatRequest& request = chat.request;
  request = defaults;
  request.options = OpenAiDefaults();
  fields.String("model", SIZE_MAX, &chat.form.model);
  fields.Bool("stream", &chat.form.stream);
  ReadSampling(&fields, &request.options);
  ReadStop("stop_sequences", &fields, &request.options);
  ReadSession(&fields, &request.options);
  ReadMetadata(&fields, &request.options);
  // Anthropic demands it; what the context leaves is as good.
  fields.Int("max_tokens", 1, INT64_MAX, &request.options.max_tokens);
  ReadMessageThinking(&fields, &request);
  ReadThinking(&fields, &request);
  ReadMessageTools(&fields, &request);
  fields.Refuse("container", "this server runs no code");
  fields.Refuse("mcp_servers", "this server runs no tools");
  fields.PassOver({"service_tier", "cache_control", "inference_geo", "speed", "context_management",
                   "diagnostics", "betas"});
  fields.Require("messages");
  const ChatJson* messages = fields.List("messages", kMessagesMax);
  if (messages != nullptr && messages->empty()) fields.Fail("messages", "is empty");
  RETURN_IF_ERROR(fields.status());
  Conversation conversation;
  if (const ChatJson* system = fields.Find("system")) {
    RETURN_IF_ERROR(AddSystemBlocks(*system, &conversation));
  }
  RETURN_IF_ERROR(AddMessageBlocks(*messages, &conversation));
  request.messages = conversation.Take();
  chat.form.stop_ids = request.options.stop_ids;
  chat.form.unread = fields.Unread();
  return chat;
}

}  // namespace coterie

#include "router/frontend/proto_requests.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

void ReadSampling(const v1::Sampling& sampling, CompletionOptions* options) {
  options->sampling = {.temperature = sampling.temperature(),
                       .top_k = static_cast<int64_t>(sampling.top_k()),
                       .top_p = sampling.top_p() == 0 ? 1.0f : sampling.top_p(),
                       .min_p = sampling.min_p(),
                       .seed = sampling.seed()};
  options->has_seed = sampling.has_seed();
  options->rules = {.repetition_penalty =
                        sampling.repetition_penalty() == 0 ? 1.0f : sampling.repetition_penalty(),
                    .presence_penalty = sampling.presence_penalty(),
                    .frequency_penalty = sampling.frequency_penalty(),
                    .min_tokens = static_cast<int64_t>(sampling.min_tokens())};
  for (const auto& [id, bias] : sampling.logit_bias()) options->rules.bias.emplace_back(id, bias);
}

// The fields that both messages have.
template <typename Request>
absl::StatusOr<CompletionOptions> ReadOptions(const Request& request) {
  if (request.logprobs() > kLogprobsMax)
    return Invalid("logprobs is ", request.logprobs(), ", at most ", kLogprobsMax, " are given");
  CompletionOptions options;
  options.request_id = request.request_id();
  options.session_id = request.session_id();
  options.priority = request.priority();
  options.resume_hint = static_cast<ResumeHint>(request.resume_hint());
  if (request.resume_hint() < 0 || request.resume_hint() > v1::RESUME_HINT_DONE)
    return Invalid("resume_hint is ", static_cast<int>(request.resume_hint()), ", expected 0 to 3");
  options.num_choices = request.num_choices() == 0 ? 1 : request.num_choices();
  options.max_tokens = request.max_tokens();
  ReadSampling(request.sampling(), &options);
  options.stop.assign(request.stop().begin(), request.stop().end());
  options.stop_ids.assign(request.stop_ids().begin(), request.stop_ids().end());
  options.ignore_eos = request.ignore_eos();
  options.logprobs = request.logprobs() > 0;
  options.top_logprobs = options.logprobs ? request.logprobs() - 1 : 0;
  // Who asks for tokens past the model's own end asks for a length, not for sense.
  options.rails = request.has_rails() ? request.rails() : !request.ignore_eos();
  return options;
}

// `text` as JSON; `field` is for the message.
absl::StatusOr<ChatJson> ReadJson(absl::string_view text, const std::string& field) {
  absl::StatusOr<ChatJson> json = ParseChatJson(text);
  if (!json.ok()) return Annotate(json.status(), field);
  if (!json->is_object()) return Invalid(field, " is ", json->type_name(), ", expected an object");
  return json;
}

absl::StatusOr<ResponseFormat> ReadFormat(const v1::ResponseFormat& format) {
  ResponseFormat result;
  switch (format.kind()) {
    case v1::ResponseFormat::TEXT:
      return result;
    case v1::ResponseFormat::JSON_OBJECT:
      result.kind = ResponseFormat::Kind::kJsonObject;
      return result;
    case v1::ResponseFormat::JSON_SCHEMA:
      result.kind = ResponseFormat::Kind::kJsonSchema;
      break;
    default:
      return Invalid("response_format.kind is ", static_cast<int>(format.kind()),
                     ", expected 0 to 2");
  }
  ASSIGN_OR_RETURN(result.schema, ReadJson(format.schema_json(), "response_format.schema_json"));
  return result;
}

absl::StatusOr<ChatMessage> ReadMessage(const v1::ChatMessage& message, const std::string& field) {
  ChatMessage result;
  switch (message.role()) {
    case v1::ChatMessage::ROLE_SYSTEM:
      result.role = ChatRole::kSystem;
      break;
    case v1::ChatMessage::ROLE_USER:
      result.role = ChatRole::kUser;
      break;
    case v1::ChatMessage::ROLE_ASSISTANT:
      result.role = ChatRole::kAssistant;
      break;
    case v1::ChatMessage::ROLE_TOOL:
      result.role = ChatRole::kTool;
      break;
    default:
      return Invalid(field, ".role is ", static_cast<int>(message.role()),
                     ", expected 1 (system) to 4 (tool)");
  }
  if (!message.content().empty() || message.tool_calls().empty())
    result.content = message.content();
  result.reasoning = message.reasoning();
  result.tool_call_id = message.tool_call_id();
  for (int i = 0; i < message.tool_calls_size(); ++i) {
    const v1::ToolCall& call = message.tool_calls(i);
    ChatToolCall& out = result.tool_calls.emplace_back();
    out.id = call.id();
    out.name = call.name();
    ASSIGN_OR_RETURN(out.arguments,
                     ReadJson(call.arguments_json().empty() ? "{}" : call.arguments_json(),
                              absl::StrCat(field, ".tool_calls[", i, "].arguments_json")));
  }
  return result;
}

// As OpenAI declares it.
absl::StatusOr<ChatJson> ReadTool(const v1::Tool& tool, const std::string& field) {
  ChatJson function = {{"name", tool.name()}};
  if (!tool.description().empty()) function["description"] = tool.description();
  if (!tool.parameters_json().empty()) {
    ASSIGN_OR_RETURN(function["parameters"],
                     ReadJson(tool.parameters_json(), absl::StrCat(field, ".parameters_json")));
  }
  if (!tool.response_json().empty()) {
    ASSIGN_OR_RETURN(function["response"],
                     ReadJson(tool.response_json(), absl::StrCat(field, ".response_json")));
  }
  if (tool.strict()) function["strict"] = true;
  ChatJson result = {{"type", "function"}};
  result["function"] = std::move(function);
  return result;
}

}  // namespace

absl::StatusOr<TextRequest> ReadTextRequest(const v1::GenerateRequest& request) {
  TextRequest result;
  ASSIGN_OR_RETURN(result.options, ReadOptions(request));
  if (result.options.max_tokens == 0) result.options.max_tokens = kDefaultMaxTokens;
  ASSIGN_OR_RETURN(result.response_format, ReadFormat(request.response_format()));
  result.show_control = request.show_control_tokens();
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kText:
      if (request.text().empty())
        return Invalid("text is empty: a prompt has at least one character");
      result.text = request.text();
      result.parse_control = !request.plain_text();
      return result;
    case v1::GenerateRequest::kTokens:
      if (request.tokens().ids().empty())
        return Invalid("tokens is empty: a prompt has at least one token");
      result.tokens.assign(request.tokens().ids().begin(), request.tokens().ids().end());
      return result;
    default:
      return Invalid("no prompt: set text or tokens");
  }
}

absl::StatusOr<ChatRequest> ReadChatRequest(const v1::ChatRequest& request) {
  ChatRequest result;
  ASSIGN_OR_RETURN(result.options, ReadOptions(request));
  for (int i = 0; i < request.messages_size(); ++i) {
    ASSIGN_OR_RETURN(ChatMessage message,
                     ReadMessage(request.messages(i), absl::StrCat("messages[", i, "]")));
    result.messages.push_back(std::move(message));
  }
  for (int i = 0; i < request.tools_size(); ++i) {
    ASSIGN_OR_RETURN(ChatJson tool, ReadTool(request.tools(i), absl::StrCat("tools[", i, "]")));
    result.tools.push_back(std::move(tool));
  }
  const int choice = request.tool_choice().kind();
  if (choice < 0 || choice > v1::ToolChoice::NAMED)
    return Invalid("tool_choice.kind is ", choice, ", expected 0 to 3");
  result.tool_choice = static_cast<ToolChoice>(choice);
  result.tool_name = request.tool_choice().name();
  result.parallel_tool_calls = !request.single_tool_call();
  result.enable_thinking = request.thinking();
  result.preserve_thinking = request.preserve_thinking();
  if (request.has_thinking_budget()) result.thinking_budget = request.thinking_budget();
  ASSIGN_OR_RETURN(result.response_format, ReadFormat(request.response_format()));
  return result;
}

}  // namespace coterie

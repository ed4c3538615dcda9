#include "router/frontend/engine_completions.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/chat_template.h"
#include "router/frontend/engine_answer.h"
#include "router/grammar/output_constraint.h"
#include "router/sampling/new_seed.h"

namespace coterie {
namespace {

// A token stands for its spelling, save where it swallows what is around it: then for any number.
size_t TokenBytesMax(const Vocabulary& vocabulary) {
  const bool swallows =
      !vocabulary.byte_fallback ||
      std::any_of(vocabulary.added_tokens.begin(), vocabulary.added_tokens.end(),
                  [](const AddedToken& token) { return token.lstrip || token.rstrip; });
  if (swallows) return std::numeric_limits<size_t>::max();
  size_t longest = 1;
  for (const std::string& token : vocabulary.tokens) longest = std::max(longest, token.size());
  return longest;
}

}  // namespace

EngineCompletions::EngineCompletions(const ModelConfig* config, const Tokenizer* tokenizer,
                                     const Tenants* tenants, Engine* engine, RouterMetrics* metrics)
    : config_(config),
      tokenizer_(tokenizer),
      tenants_(tenants),
      engine_(engine),
      metrics_(metrics),
      chat_tokens_(ChatTokens::Create(*tokenizer)),
      grammar_(tokenizer->vocabulary()),
      token_bytes_max_(TokenBytesMax(tokenizer->vocabulary())) {}

absl::StatusOr<std::unique_ptr<Answer>> EngineCompletions::Start(ChatRequest request) {
  auto answer = StartChat(std::move(request));
  if (!answer.ok()) metrics_->CountRequest(answer.status());
  return answer;
}

absl::StatusOr<std::unique_ptr<Answer>> EngineCompletions::Start(TextRequest request) {
  auto answer = StartText(std::move(request));
  if (!answer.ok()) metrics_->CountRequest(answer.status());
  return answer;
}

absl::StatusOr<EngineRequest> EngineCompletions::Common(const CompletionOptions& options) {
  RETURN_IF_ERROR(options.Validate(config_->vocab_size));
  EngineRequest request{
      .id = options.request_id,
      .tenant = options.tenant,
      .priority = std::min(options.priority, tenants_->PriorityMaxOf(options.tenant)),
      .resume_hint = options.resume_hint,
      .max_tokens = options.max_tokens,
      .sampling = options.sampling,
      .rules = options.rules,
      .stop_ids = options.stop_ids,
      .num_logprobs = options.logprobs ? 1 + options.top_logprobs : 0,
      .deadline = options.deadline,
      .log = options.log};
  if (request.id.empty()) request.id = absl::StrCat("r", num_requests_.fetch_add(1) + 1);
  if (!options.has_seed) request.sampling.seed = NewSeed();
  if (!options.ignore_eos) {
    request.stop_ids.insert(request.stop_ids.end(), config_->eos_ids.begin(),
                            config_->eos_ids.end());
  }
  request.rails.stop_loops = options.rails;
  if (options.resumption != nullptr) {
    request.goes_on = true;
    request.max_tokens = options.resumption->max_tokens;
  }
  return request;
}

absl::StatusOr<std::vector<std::shared_ptr<TokenStream>>> EngineCompletions::Submit(
    EngineRequest request, const CompletionOptions& options) {
  if (options.resumption == nullptr)
    return engine_->Submit(std::move(request), options.num_choices);
  const std::vector<std::vector<int32_t>>& drawn = options.resumption->drawn;
  for (const std::vector<int32_t>& choice : drawn) {
    for (const int32_t token : choice) {
      if (token < 0 || token >= config_->vocab_size)
        return absl::DataLossError(absl::StrCat("the journal has a token ", token,
                                                ", the vocabulary has ids 0 to ",
                                                config_->vocab_size - 1));
    }
  }
  return engine_->Submit(std::move(request), options.num_choices, drawn);
}

absl::Status EngineCompletions::CheckFits(size_t text_bytes) const {
  const size_t least = text_bytes / token_bytes_max_;
  const int64_t max_context = engine_->options().max_context;
  if (least < static_cast<size_t>(max_context)) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("the prompt has ", text_bytes,
                                            " bytes, hence at least ", least,
                                            " tokens; this router takes at most ", max_context - 1,
                                            " so that one can be generated (--max_context)"));
}

absl::StatusOr<EncodedChat> EngineCompletions::Encode(const ChatRequest& request,
                                                      bool* ends_in_channel) const {
  RETURN_IF_ERROR(chat_tokens_.status());
  ASSIGN_OR_RETURN(const ChatPrompt prompt,
                   RenderChat(request.messages, request.tools,
                              {.enable_thinking = request.enable_thinking,
                               .preserve_thinking = request.preserve_thinking}));
  *ends_in_channel = prompt.ends_in_channel;
  size_t num_bytes = 0;
  for (const ChatSegment& segment : prompt.segments) num_bytes += segment.text.size();
  RETURN_IF_ERROR(CheckFits(num_bytes));
  return EncodeChat(*tokenizer_, prompt.segments, prompt.stable_bytes);
}

absl::StatusOr<int64_t> EngineCompletions::CountTokens(const ChatRequest& request) const {
  bool ends_in_channel = false;
  ASSIGN_OR_RETURN(const EncodedChat encoded, Encode(request, &ends_in_channel));
  return static_cast<int64_t>(encoded.tokens.size());
}

absl::StatusOr<std::unique_ptr<Answer>> EngineCompletions::StartChat(ChatRequest request) {
  ASSIGN_OR_RETURN(EngineRequest engine_request, Common(request.options));
  bool ends_in_channel = false;
  ASSIGN_OR_RETURN(EncodedChat encoded, Encode(request, &ends_in_channel));
  engine_request.prompt = std::move(encoded.tokens);
  engine_request.stable_tokens = static_cast<int64_t>(encoded.num_stable);
  engine_request.rails.chat = *chat_tokens_;
  engine_request.rails.starts_in_channel = ends_in_channel;
  engine_request.rails.thinking_tokens_max = request.thinking_budget;
  if (!request.options.ignore_eos) {
    // Not every file lists them among its ends.
    engine_request.stop_ids.push_back(chat_tokens_->turn_end);
    engine_request.stop_ids.push_back(chat_tokens_->response_begin);
  }
  ASSIGN_OR_RETURN(engine_request.constraint,
                   ConstrainChat({.response_format = std::move(request.response_format),
                                  .tools = std::move(request.tools),
                                  .tool_choice = request.tool_choice,
                                  .tool_name = request.tool_name,
                                  .parallel_tool_calls = request.parallel_tool_calls,
                                  .starts_in_channel = ends_in_channel},
                                 &grammar_, *chat_tokens_, engine_request.stop_ids));
  const auto num_prompt = static_cast<int64_t>(engine_request.prompt.size());
  ASSIGN_OR_RETURN(auto streams, Submit(std::move(engine_request), request.options));
  return std::make_unique<EngineAnswer>(
      tokenizer_,
      EngineAnswer::Options{.reader = {.chat = *chat_tokens_,
                                       .starts_in_channel = ends_in_channel,
                                       .stop = std::move(request.options.stop)},
                            .logprobs = request.options.logprobs,
                            .resumption = std::move(request.options.resumption),
                            .num_prompt = num_prompt},
      std::move(streams), metrics_);
}

absl::StatusOr<std::vector<int32_t>> EngineCompletions::ReadPrompt(
    const TextRequest& request) const {
  const std::vector<int32_t>& tokens = request.tokens;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= config_->vocab_size)
      return absl::InvalidArgumentError(absl::StrCat("tokens[", i, "] is ", tokens[i],
                                                     ", the vocabulary has ids 0 to ",
                                                     config_->vocab_size - 1));
  }
  if (!tokens.empty()) return tokens;
  if (request.text.empty())
    return absl::InvalidArgumentError("no prompt: it has at least one character, or one token");
  RETURN_IF_ERROR(CheckFits(request.text.size()));
  absl::StatusOr<std::vector<int32_t>> encoded = tokenizer_->Encode(
      request.text, request.parse_control ? ControlTokens::kParse : ControlTokens::kPlainText);
  if (!encoded.ok()) return Annotate(encoded.status(), "text");
  // <bos> exactly once, whether the caller's template has written it or not.
  if (encoded->empty() || encoded->front() != config_->bos_id)
    encoded->insert(encoded->begin(), config_->bos_id);
  return encoded;
}

absl::StatusOr<std::unique_ptr<Answer>> EngineCompletions::StartText(TextRequest request) {
  ASSIGN_OR_RETURN(EngineRequest engine_request, Common(request.options));
  ASSIGN_OR_RETURN(engine_request.prompt, ReadPrompt(request));
  ASSIGN_OR_RETURN(engine_request.constraint,
                   ConstrainText(request.response_format, &grammar_, engine_request.stop_ids));
  const auto num_prompt = static_cast<int64_t>(engine_request.prompt.size());
  ASSIGN_OR_RETURN(auto streams, Submit(std::move(engine_request), request.options));
  return std::make_unique<EngineAnswer>(
      tokenizer_,
      EngineAnswer::Options{
          .reader = {.show_control = request.show_control, .stop = std::move(request.options.stop)},
          .logprobs = request.options.logprobs,
          .resumption = std::move(request.options.resumption),
          .num_prompt = num_prompt},
      std::move(streams), metrics_);
}

}  // namespace coterie

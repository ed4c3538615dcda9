#include "router/openai/text_body.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "router/openai/api_error.h"
#include "router/openai/chat_body.h"
#include "router/openai/conversation.h"
#include "router/openai/field_reader.h"
#include "router/openai/json_text.h"
#include "router/openai/option_fields.h"

namespace coterie {
namespace {

bool IsTokenList(const ChatJson& json) {
  return json.is_array() && !json.empty() && json.front().is_number();
}

absl::Status ReadPrompt(const ChatJson& json, const std::string& path, TextRequest* request) {
  if (json.is_string()) {
    request->text = json.get_ref<const std::string&>();
    return absl::OkStatus();
  }
  if (!IsTokenList(json)) {
    return InvalidField(path, absl::StrCat("`", path, "` is ", TypeOf(json),
                                           ", expected a string or an array of token ids"));
  }
  request->tokens.reserve(json.size());
  for (const ChatJson& id : json) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      return InvalidField(path, absl::StrCat("`", path, "` has ", DumpJson(id).substr(0, 32),
                                             ", expected ids of tokens"));
    }
    request->tokens.push_back(id.get<int32_t>());
  }
  return absl::OkStatus();
}

void RefuseOthers(const CompletionOptions& options, FieldReader* fields) {
  fields->Refuse("echo", "the reply has what was generated");
  fields->Refuse("suffix", "this model does not fill gaps");
  fields->Refuse("prompt_logprobs", "only tokens of the answer have log probabilities");
  int64_t best_of = options.num_choices;
  fields->Int("best_of", 1, kChoicesMax, &best_of);
  if (best_of != options.num_choices) fields->Fail("best_of", "must be equal to `n`");
  fields->PassOver({"user", "metadata", "store", "service_tier", "add_special_tokens",
                    "spaces_between_special_tokens"});
}

void ReadOptions(FieldReader* fields, TextRequest* request) {
  CompletionOptions& options = request->options;
  options = OpenAiDefaults();
  options.max_tokens = kTextMaxTokens;
  ReadSampling(fields, &options);
  ReadStop("stop", fields, &options);
  ReadSession(fields, &options);
  RefuseOtherServersFields(fields);
  fields->Int("n", 1, kChoicesMax, &options.num_choices);
  fields->Int("max_tokens", 1, INT64_MAX, &options.max_tokens);
  options.logprobs = fields->Has("logprobs");
  fields->Int("logprobs", 0, kTextLogprobsMax, &options.top_logprobs);
  bool skip_control = true;
  fields->Bool("skip_special_tokens", &skip_control);
  request->show_control = !skip_control;
  if (const ChatJson* format = fields->Find("response_format")) {
    fields->Update(ReadResponseFormat(*format, "response_format", true, &request->response_format));
  }
}

}  // namespace

absl::StatusOr<TextBody> ReadTextBody(const ChatJson& body) {
  FieldReader fields(body);
  TextBody text;
  ReadForm(&fields, &text.form);
  TextRequest request;
  ReadOptions(&fields, &request);
  RefuseOthers(request.options, &fields);
  fields.Require("prompt");
  RETURN_IF_ERROR(fields.status());
  const ChatJson& prompt = *fields.Find("prompt");
  const bool is_one = !prompt.is_array() || IsTokenList(prompt);
  if (!is_one && prompt.empty()) fields.Fail("prompt", "is empty");
  if (!is_one) fields.List("prompt", kPromptsMax);
  RETURN_IF_ERROR(fields.status());
  text.form.logprobs = request.options.logprobs;
  text.form.stop_ids = request.options.stop_ids;
  text.form.unread = fields.Unread();
  const size_t num_prompts = is_one ? 1 : prompt.size();
  text.requests.assign(num_prompts, request);
  for (size_t i = 0; i < num_prompts; ++i) {
    const std::string path = is_one ? "prompt" : absl::StrCat("prompt[", i, "]");
    RETURN_IF_ERROR(ReadPrompt(is_one ? prompt : prompt[i], path, &text.requests[i]));
  }
  return text;
}

}  // namespace coterie

#include "router/openai/option_fields.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "router/openai/api_error.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

// The bounds of SamplingParams and LogitRuleParams, judged here as well so that the error can name
// the field as the client knows it.
constexpr float kTemperatureMax = 10, kPenaltyMax = 2, kRepetitionPenaltyMax = 10, kBiasMax = 100;
constexpr size_t kSessionBytesMax = 512;

void ReadBias(FieldReader* fields, LogitRuleParams* rules) {
  const ChatJson* biases = fields->Object("logit_bias");
  if (biases == nullptr) return;
  for (const auto& [key, value] : biases->items()) {
    int32_t id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0) {
      return fields->Fail("logit_bias", absl::StrCat("has the key \"", key.substr(0, 32),
                                                     "\", expected the id of a token"));
    }
    const double bias = value.is_number() ? value.get<double>() : kBiasMax + 1;
    if (!(bias >= -kBiasMax && bias <= kBiasMax)) {
      return fields->Fail("logit_bias",
                          absl::StrCat("of token ", id, " is ", DumpJson(value).substr(0, 32),
                                       ", expected a number from -100 to 100"));
    }
    rules->bias.emplace_back(id, static_cast<float>(bias));
  }
}

void ReadStopIds(FieldReader* fields, CompletionOptions* options) {
  const ChatJson* ids = fields->List("stop_token_ids", kStopIdsMax);
  if (ids == nullptr) return;
  for (const ChatJson& id : *ids) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      return fields->Fail("stop_token_ids", absl::StrCat("has ", DumpJson(id).substr(0, 32),
                                                         ", expected ids of tokens"));
    }
    options->stop_ids.push_back(id.get<int32_t>());
  }
}

}  // namespace

CompletionOptions OpenAiDefaults() {
  CompletionOptions options;
  options.sampling.temperature = 1;
  return options;
}

void ReadSampling(FieldReader* fields, CompletionOptions* options) {
  SamplingParams& sampling = options->sampling;
  fields->Number("temperature", 0, kTemperatureMax, &sampling.temperature);
  fields->Number("top_p", 0, 1, &sampling.top_p, /*above_min=*/true);
  fields->Number("min_p", 0, 1, &sampling.min_p);
  // vLLM's clients send -1 where they mean all.
  fields->Int("top_k", -1, INT64_MAX, &sampling.top_k);
  if (sampling.top_k < 0) sampling.top_k = 0;
  int64_t seed = 0;
  fields->Int("seed", INT64_MIN, INT64_MAX, &seed);
  options->has_seed = fields->Has("seed");
  sampling.seed = static_cast<uint64_t>(seed);

  LogitRuleParams& rules = options->rules;
  fields->Number("presence_penalty", -kPenaltyMax, kPenaltyMax, &rules.presence_penalty);
  fields->Number("frequency_penalty", -kPenaltyMax, kPenaltyMax, &rules.frequency_penalty);
  fields->Number("repetition_penalty", 0, kRepetitionPenaltyMax, &rules.repetition_penalty,
                 /*above_min=*/true);
  fields->Int("min_tokens", 0, INT64_MAX, &rules.min_tokens);
  ReadBias(fields, &rules);
  fields->Bool("ignore_eos", &options->ignore_eos);
  ReadStopIds(fields, options);
}

void ReadStop(const char* name, FieldReader* fields, CompletionOptions* options) {
  const ChatJson* stop = fields->Find(name);
  if (stop == nullptr) return;
  if (!stop->is_array() && !stop->is_string()) {
    return fields->Fail(
        name, absl::StrCat("is ", TypeOf(*stop), ", expected a string or an array of strings"));
  }
  if (stop->is_array() && fields->List(name, kStopStringsMax) == nullptr) return;
  const auto add = [&](const ChatJson& text, const std::string& path) {
    fields->Update(CheckString(text, kStopBytesMax, path));
    if (!fields->status().ok()) return;
    // OpenAI takes an empty string and never finds it.
    if (!text.get_ref<const std::string&>().empty()) {
      options->stop.push_back(text.get_ref<const std::string&>());
    }
  };
  if (stop->is_string()) return add(*stop, fields->PathOf(name));
  for (size_t i = 0; i < stop->size(); ++i) {
    add((*stop)[i], absl::StrCat(fields->PathOf(name), "[", i, "]"));
  }
}

void ReadForm(FieldReader* fields, ReplyForm* form) {
  fields->String("model", SIZE_MAX, &form->model);
  fields->Bool("stream", &form->stream);
  const ChatJson* stream = fields->Object("stream_options");
  if (stream == nullptr) return;
  FieldReader inner(*stream, "stream_options");
  inner.Bool("include_usage", &form->include_usage);
  fields->Update(inner.status());
}

void ReadSession(FieldReader* fields, CompletionOptions* options) {
  // Both say the same: what comes with this key shares a beginning.
  fields->String("prompt_cache_key", kSessionBytesMax, &options->session_id);
  fields->String("session_id", kSessionBytesMax, &options->session_id);
  int hint = static_cast<int>(options->resume_hint);
  fields->OneOf("resume_hint", {"none", "soon", "later", "done"}, &hint);
  options->resume_hint = static_cast<ResumeHint>(hint);
  int64_t priority = options->priority;
  fields->Int("priority", -kPriorityMax, kPriorityMax, &priority);
  options->priority = static_cast<int>(priority);
  fields->Bool("rails", &options->rails);
}

void RefuseOtherServersFields(FieldReader* fields) {
  for (const char* name : {"guided_json", "guided_regex", "guided_choice", "guided_grammar",
                           "structured_outputs", "grammar", "json_schema", "regex", "ebnf"}) {
    fields->Refuse(name, "use `response_format`");
  }
  for (const char* name : {"allowed_token_ids", "bad_words", "chat_template",
                           "continue_final_message", "include_stop_str_in_output",
                           "logits_processors", "truncate_prompt_tokens", "use_beam_search"}) {
    fields->Refuse(name, "this server does not do this");
  }
}

}  // namespace coterie

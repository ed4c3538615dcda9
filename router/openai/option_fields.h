// Fields that the chat and the text endpoints share: how tokens are drawn, when they end, and whose
// request it is. The names are OpenAI's, then vLLM's, then ours (docs/http_api.md).
#ifndef COTERIE_ROUTER_OPENAI_OPTION_FIELDS_H_
#define COTERIE_ROUTER_OPENAI_OPTION_FIELDS_H_

#include "router/frontend/completion_options.h"
#include "router/openai/field_reader.h"
#include "router/openai/reply_form.h"

namespace coterie {

// What OpenAI's clients expect where they say nothing: temperature 1, where CompletionOptions has
// greedy.
CompletionOptions OpenAiDefaults();

// temperature, top_p, top_k, min_p, seed, penalties, logit_bias, min_tokens, ignore_eos,
// stop_token_ids.
void ReadSampling(FieldReader* fields, CompletionOptions* options);

// A string or a list of strings, at `name`.
void ReadStop(const char* name, FieldReader* fields, CompletionOptions* options);

// model, stream, stream_options.
void ReadForm(FieldReader* fields, ReplyForm* form);

// session_id (or prompt_cache_key), resume_hint, priority, rails.
void ReadSession(FieldReader* fields, CompletionOptions* options);

// Fields of other servers that would change what is generated, and are not known here: a client
// that counts on one must hear of it. `response_format` does what most of them do.
void RefuseOtherServersFields(FieldReader* fields);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_OPTION_FIELDS_H_

// How a request asks for reasoning, or for none.
//
// The model either reasons or does not; an effort is a bound on how long.
//
//   | effort                   | thinking | budget in tokens |
//   | none, minimal            | off      |                  |
//   | low                      | on       | 1024             |
//   | medium                   | on       | 4096             |
//   | high                     | on       | 16384            |
//   | xhigh, max               | on       | the server's     |
#ifndef COTERIE_ROUTER_OPENAI_THINKING_FIELDS_H_
#define COTERIE_ROUTER_OPENAI_THINKING_FIELDS_H_

#include "router/frontend/chat_request.h"
#include "router/openai/field_reader.h"

namespace coterie {

// An effort at `name`.
void ReadEffort(const char* name, FieldReader* fields, ChatRequest* request);

// thinking_budget or thinking_token_budget, and chat_template_kwargs {enable_thinking,
// preserve_thinking}. Said more exactly than an effort, they win over it: to be called after
// ReadEffort. A budget of 0 turns thinking off, another one on.
void ReadThinking(FieldReader* fields, ChatRequest* request);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_THINKING_FIELDS_H_

// The body of POST /v1/responses → ChatRequest. docs/http_api.md has the list of fields.
//
// Stateless: `store` is accepted and nothing is stored; `previous_response_id` is refused.
#ifndef COTERIE_ROUTER_OPENAI_RESPONSE_BODY_H_
#define COTERIE_ROUTER_OPENAI_RESPONSE_BODY_H_

#include "absl/status/statusor.h"
#include "router/openai/chat_body.h"

namespace coterie {

// form.echo is what the reply repeats. InvalidArgument; FieldOf is the JSON path at fault.
absl::StatusOr<ChatBody> ReadResponseBody(const ChatJson& body, const ChatRequest& defaults);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_RESPONSE_BODY_H_

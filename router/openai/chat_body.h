// The body of POST /v1/chat/completions → ChatRequest. docs/http_api.md has the list of fields.
#ifndef COTERIE_ROUTER_OPENAI_CHAT_BODY_H_
#define COTERIE_ROUTER_OPENAI_CHAT_BODY_H_

#include "absl/status/statusor.h"
#include "router/frontend/chat_request.h"
#include "router/openai/field_reader.h"
#include "router/openai/reply_form.h"

namespace coterie {

// What a body of any of the chat endpoints asks for.
struct ChatBody {
  ChatRequest request;
  ReplyForm form;
};

// InvalidArgument; FieldOf is the JSON path at fault. `defaults` is what holds where the body says
// nothing about reasoning.
absl::StatusOr<ChatBody> ReadChatBody(const ChatJson& body, const ChatRequest& defaults);

// The schema in `response_format` or `text.format`; `json` is that object. In OpenAI's nested shape
// it is under `json_schema`; in the flat one `schema` stands beside `type`.
absl::Status ReadResponseFormat(const ChatJson& json, const std::string& path, bool nested,
                                ResponseFormat* format);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_CHAT_BODY_H_

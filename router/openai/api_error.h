// ApiError: what went wrong with a request, as clients of OpenAI and of Anthropic are told.
//
// Inside, an error is an absl::Status; the JSON path of the field at fault travels in its payload.
#ifndef COTERIE_ROUTER_OPENAI_API_ERROR_H_
#define COTERIE_ROUTER_OPENAI_API_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace coterie {

// InvalidArgument that blames the field at `param`: "messages[2].content".
absl::Status InvalidField(absl::string_view param, absl::string_view message);

// The field that InvalidField blamed, empty when it is not known.
std::string FieldOf(const absl::Status& status);

// The same error with the field that its message begins with: what refuses schemas and bounds of
// sampling further in spells fields as chat completions do, "response_format.json_schema.schema: at
// /…", or as gRPC does, "sampling.logit_bias names …". Others are left as they are.
absl::Status BlameFirstWord(absl::Status status);

struct ApiError {
  int http_status = 500;
  std::string type;  // OpenAI's
  std::string message;
  std::string param;  // empty: null
  std::string code;   // empty: null
  // Seconds after which a retry makes sense, for the Retry-After header; 0: nothing is known.
  int retry_after_seconds = 0;

  // | status            | HTTP | type                    | code                 |
  // | InvalidArgument,  | 400  | invalid_request_error   |                      |
  // | OutOfRange        | 400  | invalid_request_error   | context_length_exceeded |
  // | Unauthenticated   | 401  | authentication_error    | invalid_api_key      |
  // | PermissionDenied  | 403  | permission_error        |                      |
  // | NotFound          | 404  | invalid_request_error   | not_found            |
  // | ResourceExhausted | 429  | rate_limit_error        | rate_limit_exceeded  |
  // | Cancelled         | 499  | server_error            | cancelled            |
  // | Unavailable       | 503  | server_error            | unavailable          |
  // | DeadlineExceeded  | 504  | server_error            | timeout              |
  // | others            | 500  | server_error            |                      |
  static ApiError FromStatus(const absl::Status& status);
  // One that has no absl code: 405, 415.
  static ApiError OfRequest(int http_status, std::string message, std::string code);

  // {"error": {"message", "type", "param", "code"}}
  std::string OpenAiJson() const;
  // {"type": "error", "error": {"type", "message"}}
  std::string AnthropicJson() const;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_API_ERROR_H_

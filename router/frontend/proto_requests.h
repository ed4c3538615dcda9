// The messages of generate.proto and chat.proto as the requests that Completions takes.
#ifndef COTERIE_ROUTER_FRONTEND_PROTO_REQUESTS_H_
#define COTERIE_ROUTER_FRONTEND_PROTO_REQUESTS_H_

#include "absl/status/statusor.h"
#include "proto/chat.pb.h"
#include "proto/generate.pb.h"
#include "router/frontend/chat_request.h"

namespace coterie {

inline constexpr uint32_t kLogprobsMax = 21;
inline constexpr int64_t kDefaultMaxTokens = 256;

// InvalidArgument names the field, what was found and what is expected. What a value may be is for
// CompletionOptions::Validate.
absl::StatusOr<TextRequest> ReadTextRequest(const v1::GenerateRequest& request);
absl::StatusOr<ChatRequest> ReadChatRequest(const v1::ChatRequest& request);

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_PROTO_REQUESTS_H_

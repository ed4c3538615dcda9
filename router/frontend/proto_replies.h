// AnswerDelta as the replies of generate.proto and chat.proto.
#ifndef COTERIE_ROUTER_FRONTEND_PROTO_REPLIES_H_
#define COTERIE_ROUTER_FRONTEND_PROTO_REPLIES_H_

#include "proto/chat.pb.h"
#include "proto/generate.pb.h"
#include "router/frontend/answer.h"

namespace coterie {

// `reply` is new. `usage`: up to here.
void FillReply(const AnswerDelta& delta, const AnswerUsage& usage, v1::GenerateReply* reply);
void FillReply(const AnswerDelta& delta, const AnswerUsage& usage, v1::ChatReply* reply);

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_PROTO_REPLIES_H_

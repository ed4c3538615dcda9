// ReplyForm: what a request says about the form of its reply.
#ifndef COTERIE_ROUTER_OPENAI_REPLY_FORM_H_
#define COTERIE_ROUTER_OPENAI_REPLY_FORM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/chat_json.h"

namespace coterie {

struct ReplyForm {
  std::string model;  // as asked for; may be empty
  bool stream = false;
  bool include_usage = false;  // of a stream
  bool logprobs = false;
  std::vector<int32_t> stop_ids;  // of stop tokens, those the client asked for
  // Of /v1/responses, whose reply repeats what was asked: the fields as the reply has them.
  ChatJson echo;
  std::vector<std::string> unread;  // top-level fields that nobody knows, for the log
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_REPLY_FORM_H_

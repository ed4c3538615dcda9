// ResponseItem: a part of an output as an item of /v1/responses.
#ifndef COTERIE_ROUTER_OPENAI_RESPONSE_ITEM_H_
#define COTERIE_ROUTER_OPENAI_RESPONSE_ITEM_H_

#include <string>

#include "model/chat_json.h"
#include "router/openai/output_parts.h"
#include "router/openai/reply_writer.h"

namespace coterie {

class ResponseItem {
 public:
  // Neither is owned; both outlive this. `index` is the part's place.
  ResponseItem(const OutputPart* part, size_t index, const ReplyStamp* stamp)
      : part_(*part), index_(index), stamp_(*stamp) {}

  std::string Id() const;
  // `status` is in_progress, completed or incomplete. In progress, nothing is in it yet. `logprobs`
  // is of a text.
  ChatJson Json(const char* status, ChatJson logprobs = ChatJson::array()) const;
  // The one part of its content; a call has none.
  ChatJson Content(const std::string& text, ChatJson logprobs = ChatJson::array()) const;
  // The event that goes on with it: "response.output_text".
  const char* EventName() const;

 private:
  const OutputPart& part_;
  const size_t index_;
  const ReplyStamp& stamp_;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_RESPONSE_ITEM_H_

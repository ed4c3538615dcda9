// Replies of POST /v1/responses: a response, or the typed events that build it up, numbered:
//
//   response.created, response.in_progress, then for each item response.output_item.added, its
//   content_part.added, deltas and dones, response.output_item.done, then response.completed,
//   response.incomplete (a limit, or a rail) or response.failed.
//
// Reasoning is an item with content of type reasoning_text and no summary.
#ifndef COTERIE_ROUTER_OPENAI_RESPONSE_WRITER_H_
#define COTERIE_ROUTER_OPENAI_RESPONSE_WRITER_H_

#include <memory>

#include "router/openai/reply_form.h"
#include "router/openai/reply_writer.h"

namespace coterie {

// Of one choice.
std::unique_ptr<ReplyWriter> MakeResponseWriter(ReplyForm form, ReplyStamp stamp);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_RESPONSE_WRITER_H_

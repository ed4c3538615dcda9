// Replies of POST /v1/messages, Anthropic's API: a message, or the events that build it up:
//
//   message_start, then for each block content_block_start, content_block_delta…,
//   content_block_stop, then message_delta with the stop_reason and the usage, message_stop.
//
// Blocks of reasoning have an empty signature, which nobody checks here. The rails end a message
// with `max_tokens`, as a limit does.
#ifndef COTERIE_ROUTER_OPENAI_MESSAGE_WRITER_H_
#define COTERIE_ROUTER_OPENAI_MESSAGE_WRITER_H_

#include <memory>

#include "router/openai/reply_form.h"
#include "router/openai/reply_writer.h"

namespace coterie {

// Of one choice.
std::unique_ptr<ReplyWriter> MakeMessageWriter(ReplyForm form, ReplyStamp stamp);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_MESSAGE_WRITER_H_

// Replies of POST /v1/completions: text_completion, whole or a chunk for each piece of text.
#ifndef COTERIE_ROUTER_OPENAI_TEXT_WRITER_H_
#define COTERIE_ROUTER_OPENAI_TEXT_WRITER_H_

#include <memory>

#include "router/openai/reply_form.h"
#include "router/openai/reply_writer.h"

namespace coterie {

// With several prompts, choice c of prompt p is choice p·n + c of the reply.
std::unique_ptr<ReplyWriter> MakeTextWriter(ReplyForm form, ReplyStamp stamp);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_TEXT_WRITER_H_

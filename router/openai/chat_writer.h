// Replies of POST /v1/chat/completions.
//
// The first chunk of a choice is {"role": "assistant", "content": ""}. The first chunk of a call
// has `index`, `id`, `type`, the name and empty arguments; the next has `index` and the arguments.
// Nothing is said twice, because that is the one form that all clients read alike:
//
//   | client                          | id, name repeated          | id, name only at first       |
//   | openai-python, openai-node      | "call_1call_1": appended   | right                        |
//   | LangChain (merge_lists)         | name appended to itself    | right                        |
//   | LlamaIndex                      | id appended to itself      | right                        |
//   | Vercel AI SDK                   | right                      | right; fails when the first  |
//   |                                 |                            | chunk of an index lacks them |
//   | openai-agents                   | right                      | right                        |
//
// vllm#42696 proposes the left column, because agents on Vercel's SDK had died of "Expected 'id' to
// be a string". The SDK says so only of the first chunk of an index; the right column is what it
// wants. Nor does a chunk with arguments have a finish_reason.
#ifndef COTERIE_ROUTER_OPENAI_CHAT_WRITER_H_
#define COTERIE_ROUTER_OPENAI_CHAT_WRITER_H_

#include <memory>

#include "router/openai/reply_form.h"
#include "router/openai/reply_writer.h"

namespace coterie {

// A stream of chat.completion.chunk when form.stream, else one chat.completion.
std::unique_ptr<ReplyWriter> MakeChatWriter(ReplyForm form, ReplyStamp stamp);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_CHAT_WRITER_H_

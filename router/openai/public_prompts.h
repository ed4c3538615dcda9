// Prompts that an operator declares as public: what conversations of all tenants may begin with,
// and share (router/kv/context_names.h).
#ifndef COTERIE_ROUTER_OPENAI_PUBLIC_PROMPTS_H_
#define COTERIE_ROUTER_OPENAI_PUBLIC_PROMPTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tokenizer.h"

namespace coterie {

// The tokens that every conversation begins with whose messages and tools begin with those of a
// line of the file, with thinking and without: two entries a line. A line is a body of
// /v1/chat/completions, of which `messages` and `tools` count; `#` begins a comment, empty lines
// are passed over. NotFound, InvalidArgument: path, line and what is wrong.
absl::StatusOr<std::vector<std::vector<int32_t>>> ReadPublicPrompts(const std::string& path,
                                                                    const Tokenizer& tokenizer);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_PUBLIC_PROMPTS_H_

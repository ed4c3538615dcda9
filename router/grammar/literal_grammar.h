// Values that are written in one way only: enum and const.
#ifndef COTERIE_ROUTER_GRAMMAR_LITERAL_GRAMMAR_H_
#define COTERIE_ROUTER_GRAMMAR_LITERAL_GRAMMAR_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"
#include "router/grammar/program_builder.h"

namespace coterie {

// One of `values`, without white space, then `next`. Values that begin alike share their nodes.
// InvalidArgument when calls cannot express one of them.
absl::StatusOr<int32_t> AddLiterals(const std::vector<ChatJson>& values, ValueSyntax syntax,
                                    int32_t next, ProgramBuilder* builder);

// InvalidArgument when `key` cannot be a key of a call: it would be read as another, or as none.
absl::Status CheckCallKey(absl::string_view key);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_LITERAL_GRAMMAR_H_

// Patterns of JSON schemas to automata.
#ifndef COTERIE_ROUTER_GRAMMAR_REGEX_DFA_H_
#define COTERIE_ROUTER_GRAMMAR_REGEX_DFA_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/grammar/char_dfa.h"

namespace coterie {

// The texts in which `pattern` is found, which may be anywhere unless it has anchors.
// InvalidArgument when the pattern is not understood (regex_ast.h), or needs too many states.
// Thread-safe.
absl::StatusOr<CharDfa> RegexDfa(absl::string_view pattern);

// The pattern of a `format`; empty when we know none. date, time, date-time, duration, email,
// hostname, ipv4, ipv6, uuid, uri. Each matches part of what its standard allows: enough to write
// any such value, and nothing that a checker would refuse.
absl::string_view FormatPattern(absl::string_view format);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_REGEX_DFA_H_

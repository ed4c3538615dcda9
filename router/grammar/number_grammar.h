// Numbers, within limits that hold exactly.
#ifndef COTERIE_ROUTER_GRAMMAR_NUMBER_GRAMMAR_H_
#define COTERIE_ROUTER_GRAMMAR_NUMBER_GRAMMAR_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "router/grammar/json_schema.h"
#include "router/grammar/program_builder.h"

namespace coterie {

// Integers have 18 digits at most, so that every reader keeps them. Numbers without limits may have
// an exponent, of two digits; those with limits have none, and 15 digits, so that what is read as a
// double does not leave the limits by rounding. Beyond this a model would write digits for ever.
inline constexpr int kIntegerDigitsMax = 18;
inline constexpr int kNumberDigitsMax = 15;

// The numbers of `node`, then `next`. InvalidArgument when there is none.
absl::StatusOr<int32_t> AddNumber(const SchemaNode& node, int32_t next, ProgramBuilder* builder);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_NUMBER_GRAMMAR_H_

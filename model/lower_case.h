// Lower-case letters of all scripts, as Python's str.lower() gives them (Unicode 14).
#ifndef COTERIE_MODEL_LOWER_CASE_H_
#define COTERIE_MODEL_LOWER_CASE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace coterie {

// `text`, which is UTF-8, in lower case; bytes that are no character stay. One difference to
// Python: a Σ at the end of a word becomes σ as everywhere else, not ς.
std::string LowerCase(absl::string_view text);

}  // namespace coterie

#endif  // COTERIE_MODEL_LOWER_CASE_H_

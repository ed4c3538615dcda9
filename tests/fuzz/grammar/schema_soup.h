// Schemas of random words: keywords in any company, references to anywhere, values that some
// keywords take and others do not.
#ifndef COTERIE_TESTS_FUZZ_GRAMMAR_SCHEMA_SOUP_H_
#define COTERIE_TESTS_FUZZ_GRAMMAR_SCHEMA_SOUP_H_

#include "absl/strings/string_view.h"
#include "model/chat_json.h"

namespace coterie {

// Each byte decides something; when they are used up the rest is as small as it can be.
ChatJson SchemaSoup(absl::string_view choices);

}  // namespace coterie

#endif  // COTERIE_TESTS_FUZZ_GRAMMAR_SCHEMA_SOUP_H_

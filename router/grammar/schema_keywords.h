// Which words of JSON schema there are, and what of an object they speak about.
#ifndef COTERIE_ROUTER_GRAMMAR_SCHEMA_KEYWORDS_H_
#define COTERIE_ROUTER_GRAMMAR_SCHEMA_KEYWORDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"

namespace coterie {

// InvalidArgument when `schema`, an object, has a keyword that we know nothing of, or one that
// would change what it means and is not implemented: not, if, patternProperties, uniqueItems and
// others. Those that only describe are passed over. Such as do not restrict anything are too:
// `uniqueItems: false`.
absl::Status CheckKeywords(const ChatJson& schema);

// The names in `type`, and null where `nullable` says so; without a type those that the other
// keywords are about; none at all: any type. InvalidArgument when there is another name.
absl::StatusOr<std::vector<std::string>> TypesOf(const ChatJson& schema);

// A whole number from 0 to `max`, `missing` when it is not there.
absl::StatusOr<int64_t> CountKeyword(const ChatJson& schema, const char* name, int64_t missing,
                                     int64_t max);

// The field of an object, null when there is none.
const ChatJson* FieldOf(const ChatJson& schema, const char* name);

}  // namespace coterie

#endif  // COTERIE_ROUTER_GRAMMAR_SCHEMA_KEYWORDS_H_

// Typed look-ups in a tokenizer.json, whose every value may be missing or of another type. Only the
// two files that read the format use them.
#ifndef COTERIE_MODEL_TOKENIZER_JSON_H_
#define COTERIE_MODEL_TOKENIZER_JSON_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "simdjson.h"

namespace coterie::internal {

inline absl::string_view Text(std::string_view text) { return {text.data(), text.size()}; }

// InvalidArgument: "tokenizer.json: `what`".
absl::Status Malformed(absl::string_view what);
absl::Status WrongType(absl::string_view where, absl::string_view wanted,
                       const simdjson::dom::element& value);

// Unimplemented: `what`, and what we read instead.
absl::Status OtherForm(absl::string_view what);

// The member `key`, or nothing when it is absent or null.
std::optional<simdjson::dom::element> Member(const simdjson::dom::object& object,
                                             std::string_view key);

// InvalidArgument when the member is missing or of another type.
absl::StatusOr<simdjson::dom::object> ObjectMember(const simdjson::dom::object& object,
                                                   std::string_view key);
absl::StatusOr<simdjson::dom::array> ArrayMember(const simdjson::dom::object& object,
                                                 std::string_view key);

// The same, but absent or null means "" or `otherwise`.
absl::StatusOr<absl::string_view> StringMember(const simdjson::dom::object& object,
                                               std::string_view key);
absl::StatusOr<bool> BoolMember(const simdjson::dom::object& object, std::string_view key,
                                bool otherwise);

// InvalidArgument when a key of `object`, called `what`, is there twice: which one counts would be
// a guess.
absl::Status CheckKeysDiffer(const simdjson::dom::object& object, absl::string_view what);

// `value` as a token id. `where` begins the message.
absl::StatusOr<int32_t> TokenId(absl::string_view where, const simdjson::dom::element& value);

// Unimplemented names the part of the file (model, normaliser, pre-tokeniser, decoder) that has
// another form than Gemma's. `root` is the whole file.
absl::Status CheckGemmaForm(const simdjson::dom::object& root);

}  // namespace coterie::internal

#endif  // COTERIE_MODEL_TOKENIZER_JSON_H_

#include "model/tokenizer_json.h"

#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "model/utf8.h"

namespace coterie::internal {
namespace {

using simdjson::dom::element;

absl::string_view TypeName(const element& value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "true or false";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

}  // namespace

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.json: ", what));
}

absl::Status OtherForm(absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(
      "tokenizer.json: ", what, "; only Gemma's form is read (BPE, byte fallback, space → ▁)"));
}

absl::Status WrongType(absl::string_view where, absl::string_view wanted, const element& value) {
  return Malformed(absl::StrCat(where, " is ", TypeName(value), "; ", wanted, " is expected"));
}

std::optional<element> Member(const simdjson::dom::object& object, std::string_view key) {
  element value;
  if (object[key].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

absl::StatusOr<simdjson::dom::object> ObjectMember(const simdjson::dom::object& object,
                                                   std::string_view key) {
  const auto value = Member(object, key);
  if (!value) return Malformed(absl::StrCat(Text(key), " is missing"));
  simdjson::dom::object result;
  if (value->get(result) != simdjson::SUCCESS) return WrongType(Text(key), "an object", *value);
  return result;
}

absl::StatusOr<simdjson::dom::array> ArrayMember(const simdjson::dom::object& object,
                                                 std::string_view key) {
  const auto value = Member(object, key);
  if (!value) return Malformed(absl::StrCat(Text(key), " is missing"));
  simdjson::dom::array result;
  if (value->get(result) != simdjson::SUCCESS) return WrongType(Text(key), "an array", *value);
  return result;
}

absl::StatusOr<absl::string_view> StringMember(const simdjson::dom::object& object,
                                               std::string_view key) {
  const auto value = Member(object, key);
  if (!value) return absl::string_view();
  std::string_view result;
  if (value->get(result) != simdjson::SUCCESS) return WrongType(Text(key), "a string", *value);
  return Text(result);
}

absl::StatusOr<bool> BoolMember(const simdjson::dom::object& object, std::string_view key,
                                bool otherwise) {
  const auto value = Member(object, key);
  if (!value) return otherwise;
  bool result = false;
  if (value->get(result) != simdjson::SUCCESS) return WrongType(Text(key), "true or false", *value);
  return result;
}

absl::Status CheckKeysDiffer(const simdjson::dom::object& object, absl::string_view what) {
  absl::flat_hash_set<std::string_view> keys;
  for (const auto [key, value] : object) {
    if (keys.insert(key).second) continue;
    return Malformed(absl::StrCat(what, " has ", QuoteForMessage(Text(key)), " twice"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int32_t> TokenId(absl::string_view where, const element& value) {
  int64_t id = 0;
  const bool number = value.get(id) == simdjson::SUCCESS;
  if (number && id >= 0 && id < std::numeric_limits<int32_t>::max())
    return static_cast<int32_t>(id);
  return Malformed(absl::StrCat(where, " has ",
                                number ? absl::StrCat("the id ", id) : std::string(TypeName(value)),
                                "; a token id from 0 up is expected"));
}

}  // namespace coterie::internal

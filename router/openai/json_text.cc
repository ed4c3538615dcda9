#include "router/openai/json_text.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {

absl::StatusOr<ChatJson> ParseBody(absl::string_view body) {
  auto json = ParseChatJson(body);
  if (!json.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("The body could not be read as JSON in UTF-8: ", json.status().message()));
  }
  if (json->is_object()) return json;
  return absl::InvalidArgumentError(
      absl::StrCat("The body is ", TypeOf(*json), ", expected a JSON object"));
}

std::string DumpJson(const ChatJson& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/false, ChatJson::error_handler_t::replace);
}

std::string TypeOf(const ChatJson& json) {
  switch (json.type()) {
    case ChatJson::value_t::object:
      return "an object";
    case ChatJson::value_t::array:
      return "an array";
    case ChatJson::value_t::string:
      return "a string";
    case ChatJson::value_t::boolean:
      return "a boolean";
    case ChatJson::value_t::number_integer:
    case ChatJson::value_t::number_unsigned:
      return "an integer";
    case ChatJson::value_t::number_float:
      return "a number with a fraction";
    default:
      return "null";
  }
}

}  // namespace coterie

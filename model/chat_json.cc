#include "model/chat_json.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"

namespace coterie {
namespace {

// Judges sizes before anything is built: nlohmann's values are copied and destroyed by recursion.
// Only needs to be right for texts that are JSON; the parser refuses the others.
absl::Status CheckSizes(absl::string_view text) {
  std::vector<int> num_keys;  // of each open object or array
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      num_keys.push_back(0);
      if (static_cast<int>(num_keys.size()) > kChatDepthMax) {
        return absl::InvalidArgumentError(
            absl::StrCat("the JSON nests deeper than ", kChatDepthMax, " levels"));
      }
    } else if ((c == '}' || c == ']') && !num_keys.empty()) {
      num_keys.pop_back();
    } else if (c == ':' && !num_keys.empty() && ++num_keys.back() > kChatKeysMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a JSON object has more than ", kChatKeysMax, " keys"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChatJson> ParseChatJson(absl::string_view text) {
  RETURN_IF_ERROR(CheckSizes(text));
  ChatJson json = ChatJson::parse(text.begin(), text.end(), /*cb=*/nullptr,
                                  /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError("the text is not JSON");
  return json;
}

}  // namespace coterie

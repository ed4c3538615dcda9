#include "model/chat_value.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"
#include "model/chat_tokens.h"
#include "model/lower_case.h"
#include "model/python_text.h"

namespace coterie {
namespace {

absl::Status Append(const ChatJson& value, int depth, ChatSegments* segments) {
  if (depth > kChatDepthMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("a value nests deeper than ", kChatDepthMax, " levels"));
  }
  if (value.is_string()) {
    AppendChatString(value.get_ref<const std::string&>(), segments);
  } else if (value.is_boolean()) {
    segments->Quote(value.get<bool>() ? "true" : "false");
  } else if (value.is_null()) {
    segments->Quote("null");
  } else if (value.is_object()) {
    absl::string_view separator = "{";
    for (const auto& [key, item] : SortedEntries(value)) {
      segments->Format(separator);
      segments->Quote(key);
      segments->Format(":");
      RETURN_IF_ERROR(Append(*item, depth + 1, segments));
      separator = ",";
    }
    segments->Format(value.empty() ? "{}" : "}");
  } else if (value.is_array()) {
    absl::string_view separator = "[";
    for (const ChatJson& item : value) {
      segments->Format(separator);
      RETURN_IF_ERROR(Append(item, depth + 1, segments));
      separator = ",";
    }
    segments->Format(value.empty() ? "[]" : "]");
  } else {
    ASSIGN_OR_RETURN(const std::string number, PythonText(value));
    segments->Quote(number);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::pair<absl::string_view, const ChatJson*>> SortedEntries(const ChatJson& object) {
  struct Entry {
    std::string order;
    absl::string_view key;
    const ChatJson* value;
  };
  std::vector<Entry> entries;
  entries.reserve(object.size());
  for (auto it = object.begin(); it != object.end(); ++it) {
    entries.push_back({LowerCase(it.key()), it.key(), &it.value()});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.order < b.order; });
  std::vector<std::pair<absl::string_view, const ChatJson*>> sorted;
  sorted.reserve(entries.size());
  for (const Entry& entry : entries) sorted.emplace_back(entry.key, entry.value);
  return sorted;
}

void AppendChatString(absl::string_view text, ChatSegments* segments) {
  segments->Format(kQuote);
  segments->Quote(text);
  segments->Format(kQuote);
}

absl::Status AppendChatValue(const ChatJson& value, ChatSegments* segments) {
  return Append(value, 0, segments);
}

}  // namespace coterie

#include "router/openai/field_reader.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/openai/api_error.h"
#include "router/openai/json_text.h"

namespace coterie {
namespace {

// As much of a stranger's text as a message repeats.
constexpr size_t kShownBytesMax = 64;

std::optional<int64_t> IntegerOf(const ChatJson& json) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<uint64_t>();
    if (value > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<int64_t>(value);
  }
  if (json.is_number_integer()) return json.get<int64_t>();
  if (!json.is_number_float()) return std::nullopt;
  const auto value = json.get<double>();
  // Up to 2^53 a double says which integer is meant.
  if (std::trunc(value) != value || std::fabs(value) > 0x1p53) return std::nullopt;
  return static_cast<int64_t>(value);
}

}  // namespace

FieldReader::FieldReader(const ChatJson& object, std::string path)
    : object_(object), path_(std::move(path)) {
  if (object.is_object()) return;
  status_ = InvalidField(path_,
                         absl::StrCat("`", path_, "` is ", TypeOf(object), ", expected an object"));
}

const ChatJson* FieldReader::Find(const char* name) {
  asked_.emplace_back(name);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::string FieldReader::PathOf(absl::string_view name) const {
  return path_.empty() ? std::string(name) : absl::StrCat(path_, ".", name);
}

void FieldReader::Fail(const char* name, absl::string_view message) {
  if (status_.ok()) {
    const std::string path = PathOf(name);
    status_ = InvalidField(path, absl::StrCat("`", path, "` ", message));
  }
}

const ChatJson* FieldReader::Typed(const char* name, bool (*is)(const ChatJson&),
                                   const char* expected) {
  const ChatJson* found = Find(name);
  if (found == nullptr || is(*found)) return found;
  Fail(name, absl::StrCat("is ", TypeOf(*found), ", expected ", expected));
  return nullptr;
}

const ChatJson* FieldReader::Object(const char* name) {
  return Typed(
      name, [](const ChatJson& json) { return json.is_object(); }, "an object");
}

const ChatJson* FieldReader::List(const char* name, size_t size_max) {
  const ChatJson* list = Typed(
      name, [](const ChatJson& json) { return json.is_array(); }, "an array");
  if (list == nullptr || list->size() <= size_max) return list;
  Fail(name, absl::StrCat("has ", list->size(), " elements, at most ", size_max, " are taken"));
  return nullptr;
}

void FieldReader::Bool(const char* name, bool* value) {
  const ChatJson* found = Typed(
      name, [](const ChatJson& json) { return json.is_boolean(); }, "a boolean");
  if (found != nullptr) *value = found->get<bool>();
}

void FieldReader::Int(const char* name, int64_t min, int64_t max, int64_t* value) {
  const ChatJson* found = Typed(
      name, [](const ChatJson& json) { return json.is_number(); }, "an integer");
  if (found == nullptr) return;
  const std::optional<int64_t> integer = IntegerOf(*found);
  if (integer && *integer >= min && *integer <= max) {
    *value = *integer;
  } else if (max == INT64_MAX) {
    Fail(name, absl::StrCat("is ", DumpJson(*found), ", expected an integer of at least ", min));
  } else {
    Fail(name,
         absl::StrCat("is ", DumpJson(*found), ", expected an integer from ", min, " to ", max));
  }
}

void FieldReader::Number(const char* name, double min, double max, float* value, bool above_min) {
  const ChatJson* found = Typed(
      name, [](const ChatJson& json) { return json.is_number(); }, "a number");
  if (found == nullptr) return;
  const auto number = found->get<double>();
  // Judged as the double that was sent and as the float that is used: 1e-60 is above 0 as one only.
  const auto used = static_cast<float>(number);
  if (number >= min && number <= max && !(above_min && used <= min)) {
    *value = used;
    return;
  }
  Fail(name,
       absl::StrCat("is ", DumpJson(*found), ", expected a number ", above_min ? "above " : "from ",
                    min, above_min ? ", up to " : " to ", max));
}

void FieldReader::String(const char* name, size_t bytes_max, std::string* value) {
  const ChatJson* found = Find(name);
  if (found == nullptr) return;
  Update(CheckString(*found, bytes_max, PathOf(name)));
  if (found->is_string()) *value = found->get_ref<const std::string&>();
}

void FieldReader::OneOf(const char* name, std::initializer_list<absl::string_view> names,
                        int* index) {
  const ChatJson* found = Typed(
      name, [](const ChatJson& json) { return json.is_string(); }, "a string");
  if (found == nullptr) return;
  const std::string& text = found->get_ref<const std::string&>();
  int place = 0;
  for (const absl::string_view candidate : names) {
    if (candidate == text) {
      *index = place;
      return;
    }
    ++place;
  }
  Fail(name, absl::StrCat("is \"", text.substr(0, kShownBytesMax), "\", expected one of ",
                          absl::StrJoin(names, ", ")));
}

void FieldReader::Refuse(const char* name, absl::string_view message) {
  const ChatJson* found = Find(name);
  if (found == nullptr || (found->is_boolean() && !found->get<bool>())) return;
  if (found->is_structured() && found->empty()) return;
  if (found->is_string() && found->get_ref<const std::string&>().empty()) return;
  Fail(name, absl::StrCat("is not supported: ", message));
}

void FieldReader::Require(const char* name) {
  if (!Has(name)) Fail(name, "is missing");
}

void FieldReader::PassOver(std::initializer_list<const char*> names) {
  asked_.insert(asked_.end(), names.begin(), names.end());
}

std::vector<std::string> FieldReader::Unread() const {
  std::vector<std::string> unread;
  if (!object_.is_object()) return unread;
  for (const auto& [name, value] : object_.items()) {
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) unread.push_back(name);
  }
  return unread;
}

absl::Status CheckString(const ChatJson& json, size_t bytes_max, absl::string_view path) {
  if (!json.is_string()) {
    return InvalidField(path,
                        absl::StrCat("`", path, "` is ", TypeOf(json), ", expected a string"));
  }
  const size_t num_bytes = json.get_ref<const std::string&>().size();
  if (num_bytes <= bytes_max) return absl::OkStatus();
  return InvalidField(path, absl::StrCat("`", path, "` has ", num_bytes, " bytes, at most ",
                                         bytes_max, " are taken"));
}

}  // namespace coterie

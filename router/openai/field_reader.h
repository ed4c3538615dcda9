// FieldReader: the fields of a stranger's JSON object, each judged by type and range.
//
// Absent and null are the same: the value keeps what it was. The first error stays, and what is
// read afterwards is not judged, so that a reader is a list of lines and one look at the end:
//
//   FieldReader fields(json, "stream_options");
//   fields.Bool("include_usage", &include_usage);
//   fields.Int("max_tokens", 1, kint64max, &max_tokens);
//   RETURN_IF_ERROR(fields.status());   // InvalidArgument; FieldOf: "stream_options.max_tokens"
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_OPENAI_FIELD_READER_H_
#define COTERIE_ROUTER_OPENAI_FIELD_READER_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"

namespace coterie {

class FieldReader {
 public:
  // `object` is not owned, outlives this. `path` names it from the body; empty is the body. What is
  // no object is an error at `path`.
  explicit FieldReader(const ChatJson& object, std::string path = "");

  // Null when absent or null.
  const ChatJson* Find(const char* name);
  bool Has(const char* name) { return Find(name) != nullptr; }
  // The same, and an error when it is something else.
  const ChatJson* Object(const char* name);
  const ChatJson* List(const char* name, size_t size_max);

  void Bool(const char* name, bool* value);
  // A number without a fraction, as JSON Schema has it: 3 and 3.0.
  void Int(const char* name, int64_t min, int64_t max, int64_t* value);
  // `min` itself is refused when `above_min`.
  void Number(const char* name, double min, double max, float* value, bool above_min = false);
  void String(const char* name, size_t bytes_max, std::string* value);
  // One of `names`; *index is its place.
  void OneOf(const char* name, std::initializer_list<absl::string_view> names, int* index);

  // InvalidField at the field, unless there was an error before.
  void Fail(const char* name, absl::string_view message);
  // Fails when the field is there and says something: not false, [], {} or "".
  void Refuse(const char* name, absl::string_view message);
  void Require(const char* name);
  // Fields that mean nothing here and harm nobody.
  void PassOver(std::initializer_list<const char*> names);
  // Names that nobody has asked for.
  std::vector<std::string> Unread() const;

  std::string PathOf(absl::string_view name) const;
  void Update(const absl::Status& status) { status_.Update(status); }
  const absl::Status& status() const { return status_; }

 private:
  const ChatJson* Typed(const char* name, bool (*is)(const ChatJson&), const char* expected);

  const ChatJson& object_;
  const std::string path_;
  std::vector<absl::string_view> asked_;
  absl::Status status_;
};

// Error when `json`, an element at `path`, is no string of at most `bytes_max` bytes.
absl::Status CheckString(const ChatJson& json, size_t bytes_max, absl::string_view path);

}  // namespace coterie

#endif  // COTERIE_ROUTER_OPENAI_FIELD_READER_H_

// Values as Python prints them. The judge of the chat format is a Jinja template, and models were
// trained on what it prints.
#ifndef COTERIE_MODEL_PYTHON_TEXT_H_
#define COTERIE_MODEL_PYTHON_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/chat_json.h"

namespace coterie {

// repr(value): 1.0, 1e+20, 1e-05, nan.
std::string PythonNumber(double value);

// str(value): a string is itself, null is None, true is True, and lists and objects are Python
// literals. InvalidArgument for a literal that has a string outside of ASCII in it (which
// characters Python would escape depends on its version), nests deeper than kChatDepthMax, or holds
// something JSON does not have.
absl::StatusOr<std::string> PythonText(const ChatJson& value);

// bool(value): false for null, false, zero, and what is empty.
bool PythonTruth(const ChatJson& value);

// text.strip(), for UTF-8. Points into `text`.
absl::string_view PythonStrip(absl::string_view text);

}  // namespace coterie

#endif  // COTERIE_MODEL_PYTHON_TEXT_H_

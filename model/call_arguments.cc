#include "model/call_arguments.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "model/chat_tokens.h"

namespace coterie {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

absl::string_view WithoutSpace(absl::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the digits at the front of `text`; false when there is none.
bool TakeDigits(absl::string_view* text) {
  size_t num_digits = 0;
  while (num_digits < text->size() && absl::ascii_isdigit((*text)[num_digits])) ++num_digits;
  text->remove_prefix(num_digits);
  return num_digits > 0;
}

bool Take(char c, absl::string_view* text) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// JSON's grammar, and within the doubles: readers make infinity of 1e999, or refuse it.
bool IsNumber(absl::string_view word) {
  absl::string_view rest = word;
  Take('-', &rest);
  if (!Take('0', &rest) && !TakeDigits(&rest)) return false;
  if (Take('.', &rest) && !TakeDigits(&rest)) return false;
  if (Take('e', &rest) || Take('E', &rest)) {
    if (!Take('+', &rest)) Take('-', &rest);
    if (!TakeDigits(&rest)) return false;
  }
  double value = 0;
  return rest.empty() && absl::SimpleAtod(word, &value) && std::isfinite(value);
}

bool IsJsonWord(absl::string_view word) {
  return word == "true" || word == "false" || word == "null" || IsNumber(word);
}

void AppendJsonString(absl::string_view text, std::string* json) {
  json->push_back('"');
  AppendJsonEscaped(text, json);
  json->push_back('"');
}

}  // namespace

void AppendJsonEscaped(absl::string_view text, std::string* json) {
  for (char c : text) {
    switch (c) {
      case '"':
      case '\\':
        *json += {'\\', c};
        break;
      case '\n':
        *json += "\\n";
        break;
      case '\r':
        *json += "\\r";
        break;
      case '\t':
        *json += "\\t";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20) {
          absl::StrAppendFormat(json, "\\u%04x", static_cast<uint8_t>(c));
        } else {
          json->push_back(c);
        }
    }
  }
}

bool CallArguments::AppendText(absl::string_view text, std::string* json) {
  if (state_ == State::kString) {
    AppendJsonEscaped(text, json);
    return true;
  }
  // Without a quote token no string begins.
  for (char c : text) AppendCharacter(c, json);
  return state_ != State::kBroken;
}

bool CallArguments::AppendQuote(std::string* json) {
  if (state_ == State::kString) {
    state_ = State::kAfterValue;
  } else if (state_ == State::kValue || state_ == State::kFirstValue) {
    state_ = State::kString;
  } else {
    state_ = State::kBroken;
    return false;
  }
  json->push_back('"');
  return true;
}

void CallArguments::AppendCharacter(char c, std::string* json) {
  switch (state_) {
    case State::kStart:
      if (c == '{') {
        Open(c, json);
      } else {
        state_ = State::kBroken;
      }
      break;
    case State::kFirstKey:
    case State::kKey:
      InKey(c, json);
      break;
    case State::kFirstValue:
    case State::kValue:
      BeforeValue(c, json);
      break;
    case State::kWord:
      InWord(c, json);
      break;
    case State::kAfterValue:
      AfterValue(c, json);
      break;
    case State::kDone:
      if (!IsSpace(c)) state_ = State::kBroken;
      break;
    case State::kString:
    case State::kBroken:
      break;
  }
}

void CallArguments::InKey(char c, std::string* json) {
  if (c == ':') {
    EndKey(json);
  } else if (c != '}') {
    held_.push_back(c);
  } else if (state_ == State::kFirstKey && WithoutSpace(held_).empty()) {
    held_.clear();
    Close(c, json);
  } else {
    state_ = State::kBroken;
  }
}

void CallArguments::EndKey(std::string* json) {
  const absl::string_view key = WithoutSpace(held_);
  if (key.empty() || !levels_.back().keys.emplace(key).second) {
    state_ = State::kBroken;
    return;
  }
  AppendJsonString(key, json);
  json->push_back(':');
  held_.clear();
  state_ = State::kValue;
}

void CallArguments::BeforeValue(char c, std::string* json) {
  if (IsSpace(c)) return;
  if (c == '{' || c == '[') {
    Open(c, json);
  } else if (c == ']' && state_ == State::kFirstValue) {
    Close(c, json);
  } else if (c == ',' || c == '}' || c == ']') {
    state_ = State::kBroken;
  } else {
    held_.assign(1, c);
    state_ = State::kWord;
  }
}

void CallArguments::InWord(char c, std::string* json) {
  if (c == '{' || c == '[') {
    state_ = State::kBroken;
  } else if (c == ',' || c == '}' || c == ']') {
    const absl::string_view word = WithoutSpace(held_);
    if (IsJsonWord(word)) {
      json->append(word.data(), word.size());
    } else {
      AppendJsonString(word, json);
    }
    held_.clear();
    AfterValue(c, json);
  } else {
    held_.push_back(c);
  }
}

void CallArguments::AfterValue(char c, std::string* json) {
  state_ = State::kAfterValue;
  if (IsSpace(c)) return;
  if (c == ',') {
    json->push_back(',');
    state_ = levels_.back().is_object ? State::kKey : State::kValue;
  } else {
    Close(c, json);
  }
}

void CallArguments::Open(char bracket, std::string* json) {
  if (static_cast<int>(levels_.size()) >= kChatDepthMax) {
    state_ = State::kBroken;
    return;
  }
  levels_.emplace_back().is_object = bracket == '{';
  json->push_back(bracket);
  state_ = bracket == '{' ? State::kFirstKey : State::kFirstValue;
}

void CallArguments::Close(char bracket, std::string* json) {
  if (bracket != (levels_.back().is_object ? '}' : ']')) {
    state_ = State::kBroken;
    return;
  }
  json->push_back(bracket);
  levels_.pop_back();
  state_ = levels_.empty() ? State::kDone : State::kAfterValue;
}

}  // namespace coterie

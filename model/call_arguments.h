// The arguments of a tool call, from Gemma 4's notation to JSON while they come.
#ifndef COTERIE_MODEL_CALL_ARGUMENTS_H_
#define COTERIE_MODEL_CALL_ARGUMENTS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace coterie {

// Reads {key:VALUE,…} where a value is a string between two quote tokens, a bare word,
// {key:VALUE,…} or [VALUE,…]. A key is everything up to the first colon. Strings have no escapes:
// whatever stands between two quote tokens is the string.
//
// The JSON appended so far is the beginning of a valid text, and all of it when done(). A key, and
// a bare word, is appended when its end has come. Words that are JSON numbers, true, false or null
// stay what they are; other words are mistakes of the model, and become strings. White space around
// keys and values is dropped: the notation has none, but models put it there.
//
// Broken for good by anything else: an empty key or value, a key that its object already has, a
// comma without a value, more than kChatDepthMax levels, text after the end. Never throws.
// Thread-compatible.
class CallArguments {
 public:
  // Text between tokens, split anywhere between characters. False when the arguments are broken.
  bool AppendText(absl::string_view text, std::string* json);

  // A quote token.
  bool AppendQuote(std::string* json);

  // The outermost brace has been closed.
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State {
    kStart,       // before the outermost brace
    kFirstKey,    // in a key, or at the end of an empty object
    kKey,         // in a key
    kFirstValue,  // before a value, or at the end of an empty list
    kValue,       // before a value
    kString,      // between quote tokens
    kWord,        // in a bare word
    kAfterValue,  // before a comma or a closing bracket
    kDone,
    kBroken,
  };

  struct Level {
    bool is_object = false;
    absl::flat_hash_set<std::string> keys;
  };

  void AppendCharacter(char c, std::string* json);
  void InKey(char c, std::string* json);
  void BeforeValue(char c, std::string* json);
  void InWord(char c, std::string* json);
  void AfterValue(char c, std::string* json);
  void Open(char bracket, std::string* json);
  void Close(char bracket, std::string* json);
  void EndKey(std::string* json);

  State state_ = State::kStart;
  std::vector<Level> levels_;
  std::string held_;  // the key or word that has not ended
};

// `text` as the inside of a JSON string.
void AppendJsonEscaped(absl::string_view text, std::string* json);

}  // namespace coterie

#endif  // COTERIE_MODEL_CALL_ARGUMENTS_H_

// ChoiceReader: the tokens of one answer, as they come, into events: text, reasoning, tool calls.
// Looks for stop strings, in the text alone.
//
// Thread-compatible.
#ifndef COTERIE_ROUTER_FRONTEND_CHOICE_READER_H_
#define COTERIE_ROUTER_FRONTEND_CHOICE_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/chat_output.h"
#include "model/chat_parser.h"
#include "model/detokenizer.h"
#include "model/tokenizer.h"
#include "router/frontend/stop_matcher.h"

namespace coterie {

class ChoiceReader {
 public:
  struct Options {
    std::optional<ChatTokens> chat;  // missing: all is text
    bool starts_in_channel = false;
    bool show_control = false;  // without chat: control tokens are spelled out
    std::vector<std::string> stop;
  };
  // tokenizer: not owned, outlives this.
  ChoiceReader(const Tokenizer* tokenizer, Options options);

  // What `token` settles goes to the end of `events`. InvalidArgument: no token of the vocabulary.
  absl::Status Append(int32_t token, std::vector<ChatEvent>* events);
  // The end. `stop_token`: the one that ended the answer, which was not appended.
  void Finish(std::optional<int32_t> stop_token, std::vector<ChatEvent>* events);

  // A stop string was found: what comes after it is nobody's.
  bool stopped() const { return matcher_.stopped(); }
  const std::string& matched_stop() const { return matcher_.matched(); }
  // After Finish: the model waits for the results of its calls.
  bool wants_tool_results() const;

 private:
  void Take(std::vector<ChatEvent> parsed, std::vector<ChatEvent>* events);
  void TakeContent(std::string text, std::vector<ChatEvent>* events);

  Detokenizer detokenizer_;
  std::optional<ChatParser> parser_;
  StopMatcher matcher_;
  bool has_calls_ = false;
};

}  // namespace coterie

#endif  // COTERIE_ROUTER_FRONTEND_CHOICE_READER_H_

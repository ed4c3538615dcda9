// The output of the model, token by token, to reasoning, answer and tool calls.
#ifndef COTERIE_MODEL_CHAT_PARSER_H_
#define COTERIE_MODEL_CHAT_PARSER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/call_arguments.h"
#include "model/chat_output.h"
#include "model/chat_tokens.h"
#include "model/tokenizer.h"

namespace coterie {

// A state machine on token ids: the text `<|channel>`, spelled by ordinary tokens, is text.
//
// Guarantees:
// - The events put together do not depend on how the text is split between the calls.
// - No control token's spelling is in reasoning, content or arguments. All other text is in exactly
//   one event, except: `thought⏎` at the beginning of a channel and the newline at its end; white
//   space between the parts of a call; what stands in a broken call, which is reported whole.
// - A second channel's reasoning begins on a new line. Empty channels, a stray <channel|> and any
//   other stray control token leave no trace.
// - A call may begin inside a channel, and ends it.
// - Every call that began ends once, with kCallEnd or kCallBroken. The arguments of a complete call
//   are valid JSON.
// - Whatever the model says, no crash; memory and time in proportion to it.
//
// Thread-compatible.
//
//   ChatParser parser(tokenizer, tokens, prompt.ends_in_channel);
//   Detokenizer detokenizer(&tokenizer->vocabulary(), ControlText::kShow);
//   for (int32_t token : generated) {
//     ASSIGN_OR_RETURN(const std::string piece, detokenizer.Append(token));
//     Send(parser.Append(token, piece));
//   }
//   Send(parser.AppendText(detokenizer.Finish()));
//   Send(parser.Finish(stop_token));
class ChatParser {
 public:
  // `starts_in_channel`: the prompt ended inside an open channel (ChatPrompt), which is not every
  // prompt that asks for thinking. `tokenizer` is not owned, outlives this.
  ChatParser(const Tokenizer* tokenizer, const ChatTokens& tokens, bool starts_in_channel);

  // The next token, and the text that a Detokenizer with ControlText::kShow settled at it. Text in
  // front of a control token's spelling comes before the token.
  std::vector<ChatEvent> Append(int32_t token, absl::string_view piece);

  // Text that no control token goes with.
  std::vector<ChatEvent> AppendText(absl::string_view text);

  // The end; afterwards nothing may be appended. `stop_token` is the token that ended the output,
  // which was not appended; nothing when it was cut off.
  std::vector<ChatEvent> Finish(std::optional<int32_t> stop_token);

  // After Finish.
  ChatEnd end() const { return end_; }

 private:
  enum class State {
    kContent,
    kChannelHeader,  // at the beginning of a channel; header_ may become `thought⏎`
    kChannel,
    kCallHead,    // before the brace; head_ is `call:NAME`
    kArguments,   // from the brace on
    kBrokenCall,  // to its end, all is only kept
  };
  bool InCall() const {
    return state_ == State::kCallHead || state_ == State::kArguments ||
           state_ == State::kBrokenCall;
  }

  std::vector<ChatEvent> TakeEvents();
  void Emit(ChatEvent::Kind kind, absl::string_view text);
  void TakeText(absl::string_view text);
  void TakeControl(int32_t token, absl::string_view spelling);
  void TakeControlInCall(int32_t token, absl::string_view spelling);

  void TakeHeader(absl::string_view text);
  void TakeReasoning(absl::string_view text);
  void EmitReasoning(absl::string_view text);
  void CloseChannel();

  void TakeCallHead(absl::string_view text);
  void TakeArguments(absl::string_view text);
  void BeginCall();
  void EndCall();
  bool EndsCall(int32_t token) const;

  const Tokenizer* const tokenizer_;
  const ChatTokens tokens_;
  State state_;
  std::vector<ChatEvent> events_;

  std::string header_;
  bool newline_held_ = false;  // a newline that is dropped if the channel ends here
  bool has_reasoned_ = false;
  bool channel_is_next_ = false;  // has_reasoned_, and this channel has not yet said anything

  std::string raw_;   // the call so far, as generated
  std::string head_;  // what is known of `call:NAME`
  CallArguments arguments_;
  bool call_has_begun_ = false;
  int num_calls_ = 0;  // that have begun
  int num_calls_complete_ = 0;
  ChatEnd end_ = ChatEnd::kCut;
};

// A whole output at once. InvalidArgument when the vocabulary lacks a token.
absl::StatusOr<ChatOutput> ParseChatOutput(const Tokenizer& tokenizer, const ChatTokens& tokens,
                                           std::span<const int32_t> output, bool starts_in_channel,
                                           std::optional<int32_t> stop_token);

}  // namespace coterie

#endif  // COTERIE_MODEL_CHAT_PARSER_H_
